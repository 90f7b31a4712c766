#include "fleet_api/system_roots.h"

#include <dirent.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util/memory.h"
#include "util/no_passphrase.h"

/* Bounds of what is read. Debian has 140 roots. */
#define FILES_MAX 4000
#define CERTIFICATES_MAX 4000

struct system_roots {
    const ASN1_STRING *organisation;
    STACK_OF(X509) * found;
};

/* The organisation of the subject; NULL: there is none, or several. */
static const ASN1_STRING *system_roots_organisation(const X509 *certificate)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(name, NID_organizationName, -1);

    if (at < 0 || X509_NAME_get_index_by_NID(name, NID_organizationName, at) >= 0)
        return NULL;
    return X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
}

static bool system_roots_has(const STACK_OF(X509) * all, const X509 *certificate)
{
    for (int i = 0; i < sk_X509_num(all); i++)
        if (X509_cmp(sk_X509_value(all, i), certificate) == 0)
            return true;
    return false;
}

/* Take the certificate into the list if it is a root of the organisation. Its owner stays. */
static void system_roots_take(struct system_roots *roots, X509 *certificate)
{
    const ASN1_STRING *organisation = system_roots_organisation(certificate);

    if (organisation == NULL || ASN1_STRING_cmp(organisation, roots->organisation) != 0 ||
        sk_X509_num(roots->found) >= FR_SYSTEM_ROOTS_MAX || X509_self_signed(certificate, 1) != 1 ||
        X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0 ||
        system_roots_has(roots->found, certificate))
        return;
    if (sk_X509_push(roots->found, certificate) > 0)
        X509_up_ref(certificate);
}

static void system_roots_read(struct system_roots *roots, const char *path)
{
    BIO *file = BIO_new_file(path, "r");
    X509 *certificate;

    for (int i = 0; file != NULL && i < CERTIFICATES_MAX &&
                    (certificate = PEM_read_bio_X509(file, NULL, fr_no_passphrase, NULL)) != NULL;
         i++) {
        system_roots_take(roots, certificate);
        X509_free(certificate);
    }
    BIO_free(file);
    ERR_clear_error();
}

/* Whether a file has the name of OpenSSL's folders: a hash of 8 digits, a point and a number. */
static bool system_roots_is_hash(const char *name)
{
    return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' && name[9] != '\0' &&
           strspn(name + 9, "0123456789") == strlen(name + 9);
}

static int system_roots_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Read a folder in the order of its names, so that the result is always the same. */
static void system_roots_read_folder(struct system_roots *roots, const char *folder)
{
    DIR *dir = opendir(folder);
    char **names = fr_calloc(FILES_MAX, sizeof *names);
    size_t count = 0;

    for (const struct dirent *entry;
         dir != NULL && count < FILES_MAX && (entry = readdir(dir)) != NULL;)
        if (system_roots_is_hash(entry->d_name))
            names[count++] = fr_asprintf("%s/%s", folder, entry->d_name);
    if (dir != NULL)
        closedir(dir);
    qsort(names, count, sizeof *names, system_roots_compare);
    for (size_t i = 0; i < count; i++) {
        system_roots_read(roots, names[i]);
        free(names[i]);
    }
    free(names);
}

STACK_OF(X509) * fr_system_roots_like(X509 *root)
{
    struct system_roots roots = {system_roots_organisation(root), sk_X509_new_null()};
    const char *file = getenv(X509_get_default_cert_file_env());
    const char *folders = getenv(X509_get_default_cert_dir_env());
    char *list, *rest;

    if (roots.organisation == NULL || roots.found == NULL)
        return roots.found;
    system_roots_read(&roots, file != NULL ? file : X509_get_default_cert_file());
    list = fr_strdup(folders != NULL ? folders : X509_get_default_cert_dir());
    for (char *folder = strtok_r(list, ":", &rest); folder != NULL;
         folder = strtok_r(NULL, ":", &rest))
        system_roots_read_folder(&roots, folder);
    free(list);
    return roots.found;
}
