/* Answers requests until the peer goes away. */
#include "lantern.h"
#include <stdio.h>
#include <unistd.h>

#define BACKLOG 16
#define IDLE 0

static int open_door(int port)
{
    int fd = listen_on(port, BACKLOG);

    if (fd < 0)
        perror("lantern: listen");
    return fd;
}

static void log_line(const char *what)
{
    fprintf(stderr, "lantern: %s\n", what);
}

int serve(int port)
{
    struct request r;
    char line[512];
    int fd = open_door(port);

    log_line("ready");
    while (read_line(fd, line, sizeof line)) {
        if (parse_request(line, &r))
            continue;
        log_line(r.verb);
        answer(fd, &r);
    }
    close(fd);
    return 0;
}
