/* Reads one request line: VERB SP NAME SP VALUE. */
#include "lantern.h"
#include <string.h>

static int is_space(char c)
{
    return c == ' ' || c == '\t';
}

static const char *skip(const char *p)
{
    while (is_space(*p))
        p++;
    return p;
}

int parse_request(const char *line, struct request *out)
{
    const char *p = skip(line);
    size_t n = strcspn(p, " \t");

    memcpy(out->verb, p, n);
    out->verb[n] = 0;
    p = skip(p + n);
    n = strcspn(p, " \t");
    memcpy(out->name, p, n);
    out->name[n] = 0;
    p = skip(p + n);
    strcpy(out->value, p);
    return 0;
}
