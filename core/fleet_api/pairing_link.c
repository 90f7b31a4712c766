#include "fleet_api/pairing_link.h"

#include <stdbool.h>
#include <string.h>

#include "util/memory.h"

#define DOMAIN_MAX 253
#define LABEL_MAX 63
#define VIN_LEN 17
#define VIN_CHARACTERS "ABCDEFGHJKLMNPRSTUVWXYZ0123456789" /* ISO 3779: no I, O, Q */

/* The characters are compared by number: the locale has no influence. */
static bool pairing_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool pairing_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *pairing_check_label(const char *label, size_t len)
{
    if (len == 0)
        return "it has an empty label";
    if (len > LABEL_MAX)
        return "a label has more than 63 characters";
    if (label[0] == '-' || label[len - 1] == '-')
        return "a label begins or ends with a hyphen";
    for (size_t i = 0; i < len; i++)
        if (!pairing_is_letter(label[i]) && !pairing_is_digit(label[i]) && label[i] != '-')
            return (unsigned char)label[i] > 127
                       ? "it has a character that is not ASCII: write the xn-- form of the name"
                       : "only letters, digits, hyphens and dots are permitted, without https://, "
                         "port and path";
    return NULL;
}

/* Returns the mistake, or NULL. */
static const char *pairing_check_domain(const char *domain)
{
    size_t labels = 0;
    bool has_letter = false; /* in the last label: an address has none */

    if (strlen(domain) > DOMAIN_MAX)
        return "it has more than 253 characters";
    for (const char *label = domain;; labels++) {
        size_t len = strcspn(label, ".");
        const char *mistake = pairing_check_label(label, len);

        if (mistake != NULL)
            return mistake;
        has_letter = false;
        for (size_t i = 0; i < len; i++)
            has_letter |= pairing_is_letter(label[i]);
        if (label[len] == '\0')
            break;
        label += len + 1;
    }
    if (labels == 0)
        return "it has no dot: Tesla must reach the name from the Internet";
    return has_letter ? NULL : "it is an address: Tesla accepts only names";
}

char *fr_pairing_link(const char *domain, const char *vin, struct fr_error *error)
{
    const char *mistake = pairing_check_domain(domain);
    char *link;

    if (mistake != NULL) {
        fr_error_set(error,
                     "\"%.80s\" is no domain name: %s; use the name that you have registered with "
                     "Tesla, such as telemetry.example.com",
                     domain, mistake);
        return NULL;
    }
    if (vin != NULL && (strlen(vin) != VIN_LEN || strspn(vin, VIN_CHARACTERS) != VIN_LEN)) {
        fr_error_set(
            error,
            "\"%.40s\" is no VIN: a VIN has 17 capital letters and digits without I, O and "
            "Q; the Tesla app displays it",
            vin);
        return NULL;
    }
    link = fr_asprintf("https://tesla.com/_ak/%s%s%s", domain, vin != NULL ? "?vin=" : "",
                       vin != NULL ? vin : "");
    for (char *c = link; *c != '\0' && *c != '?'; c++)
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    return link;
}
