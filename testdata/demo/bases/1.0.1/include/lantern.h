#ifndef LANTERN_H
#define LANTERN_H

#include <stddef.h>

#define VERB_MAX 16
#define NAME_MAX_LEN 64
#define VALUE_MAX 256

struct request {
    char verb[VERB_MAX];
    char name[NAME_MAX_LEN];
    char value[VALUE_MAX];
};

int parse_request(const char *line, struct request *out);
int listen_on(int port, int backlog);
int read_line(int fd, char *line, size_t size);
void answer(int fd, const struct request *r);
int serve(int port);

#endif
