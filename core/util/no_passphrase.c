#include "util/no_passphrase.h"

int fr_no_passphrase(char *to, int size, int is_for_writing, void *context)
{
    (void)to, (void)size, (void)is_for_writing, (void)context;
    return -1;
}
