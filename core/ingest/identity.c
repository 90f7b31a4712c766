#include "ingest/identity.h"

#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "ingest/certificate_rules.h"

#define NAME_MAX_LEN 128

/* Issuers whose leaves have an extended key usage of Tesla for the kind of device. */
static const char *const issuers_by_usage[] = {
    "Tesla Motors Product Issuing CA",           "Tesla Motors Product RSA Issuing CA",
    "Tesla Motors GF3 Product Issuing CA",       "Tesla Motors GF3 Product RSA Issuing CA",
    "Tesla Energy Product Issuing CA",           "Tesla Energy GF0 Product Issuing CA",
    "Tesla Motors GF0 Product Issuing CA",       "Tesla Motors GF Austin Product Issuing CA",
    "Tesla Motors GF Berlin Product Issuing CA", "Tesla Product Access Issuing CA",
    "Tesla China Product Access Issuing CA",     "Tesla GF0 Product Access Issuing CA",
    "Tesla GF3 Product Access Issuing CA",       "Tesla GF Austin Product Access Issuing CA",
    "Tesla GF Berlin Product Access Issuing CA",
};

/* Issuers of older cars: all leaves are vehicles. */
static const char *const issuers_of_vehicles[] = {
    "TeslaMotors",
    "Tesla Issuing CA",
    "Tesla Motors Products CA",
};

#define TESLA_USAGE "1.3.6.1.4.1.49279.2."
#define WIFI_USAGE "1.3.6.1.4.1.49279.2.5.1.1" /* the car's Wi-Fi certificate, not an identity */

static const struct {
    const char *oid;
    const char *type;
} usages[] = {
    {TESLA_USAGE "4.1", "vehicle_device"},        {TESLA_USAGE "5.1", "vehicle_device"},
    {TESLA_USAGE "4.11", "vehicle_board_device"}, {TESLA_USAGE "5.11", "vehicle_board_device"},
    {TESLA_USAGE "4.2", "energy_device"},         {TESLA_USAGE "5.2", "energy_device"},
    {TESLA_USAGE "4.12", "das_device"},           {TESLA_USAGE "5.12", "das_device"},
    {TESLA_USAGE "4.14", "vehicle_service"},      {TESLA_USAGE "5.14", "vehicle_service"},
    {TESLA_USAGE "4.15", "das_service"},          {TESLA_USAGE "5.15", "das_service"},
    {TESLA_USAGE "4.16", "energy_service"},       {TESLA_USAGE "5.16", "energy_service"},
    {TESLA_USAGE "4.28", "robotics_device"},      {TESLA_USAGE "5.28", "robotics_device"},
};

static const struct {
    const char *unit;
    const char *type;
} units[] = {
    {"Solar Inverter", "solar_inverter_device"},
    {"Gen3 Wall Connector", "wall_connector_device"},
};

/* Copy the n-th entry of one kind in a name as UTF-8. False: there is none, or it is empty, contains
 * a NUL or is too long. */
static bool identity_name_entry(const X509_NAME *name, int nid, int n, char *text, size_t size)
{
    unsigned char *utf8 = NULL;
    int at = -1, len;
    bool valid;

    for (int i = 0; i <= n; i++) {
        at = X509_NAME_get_index_by_NID((X509_NAME *)(uintptr_t)name, nid, at);
        if (at < 0)
            return false;
    }
    len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    valid = len > 0 && (size_t)len < size && memchr(utf8, '\0', (size_t)len) == NULL;
    if (valid) {
        memcpy(text, utf8, (size_t)len);
        text[len] = '\0';
    }
    OPENSSL_free(utf8);
    return valid;
}

/* Go takes the last of several entries; other programs take the first. */
static bool identity_has_one(const X509_NAME *name, int nid)
{
    X509_NAME *entries = (X509_NAME *)(uintptr_t)name;
    int first = X509_NAME_get_index_by_NID(entries, nid, -1);

    return first < 0 || X509_NAME_get_index_by_NID(entries, nid, first) < 0;
}

static bool identity_in_list(const char *const *list, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], word) == 0)
            return true;
    return false;
}

static const char *identity_type_of_usage(const char *oid)
{
    for (size_t i = 0; i < sizeof usages / sizeof *usages; i++)
        if (strcmp(usages[i].oid, oid) == 0)
            return usages[i].type;
    return NULL;
}

/* The type by the leaf's first extended key usage of Tesla; NULL and the cause in *error. */
static const char *identity_type_by_usage(const EXTENDED_KEY_USAGE *eku, struct fr_error *error)
{
    char oid[80];

    for (int i = 0; i < sk_ASN1_OBJECT_num(eku); i++) {
        const char *type;

        OBJ_obj2txt(oid, sizeof oid, sk_ASN1_OBJECT_value(eku, i), 1);
        if (strcmp(oid, WIFI_USAGE) == 0) {
            fr_error_set(error, "the certificate is the car's Wi-Fi certificate (%s)", oid);
            return NULL;
        }
        type = identity_type_of_usage(oid);
        if (type != NULL)
            return type;
    }
    fr_error_set(error, "the certificate has no extended key usage of a Tesla device");
    return NULL;
}

static const char *identity_type_by_unit(const X509_NAME *subject)
{
    char unit[NAME_MAX_LEN];

    for (int n = 0; identity_name_entry(subject, NID_organizationalUnitName, n, unit, sizeof unit);
         n++)
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (strcmp(units[i].unit, unit) == 0)
                return units[i].type;
    return NULL;
}

static int identity_find_type(X509 *leaf, const char *issuer, const EXTENDED_KEY_USAGE *eku,
                              struct fr_identity *identity, struct fr_error *error)
{
    const X509_NAME *subject = X509_get_subject_name(leaf);
    char unit[NAME_MAX_LEN];

    if (identity_in_list(issuers_by_usage, sizeof issuers_by_usage / sizeof *issuers_by_usage,
                         issuer)) {
        const char *by_unit;

        identity->type = identity_type_by_usage(eku, error);
        if (identity->type == NULL)
            return -1;
        by_unit = identity_type_by_unit(subject);
        if (by_unit != NULL)
            identity->type = by_unit;
        return 0;
    }
    if (identity_in_list(issuers_of_vehicles,
                         sizeof issuers_of_vehicles / sizeof *issuers_of_vehicles, issuer)) {
        identity->type = "vehicle_device";
        if (strcmp(issuer, "Tesla Motors Products CA") == 0 &&
            identity_name_entry(subject, NID_organizationalUnitName, 0, unit, sizeof unit) &&
            strcmp(unit, "Tesla Motors SN") == 0)
            identity->type = "vehicle_board_device";
        return 0;
    }
    return fr_error_set(error, "issuer \"%s\" is not one of Tesla's issuers of device certificates",
                        issuer);
}

int fr_identity_of(X509 *leaf, struct fr_identity *identity, struct fr_error *error)
{
    char issuer[NAME_MAX_LEN] = "";
    EXTENDED_KEY_USAGE *eku;
    int status = -1;

    if (!identity_has_one(X509_get_subject_name(leaf), NID_commonName) ||
        !identity_has_one(X509_get_issuer_name(leaf), NID_commonName))
        return fr_error_set(error, "the certificate's subject or issuer has more than one common "
                                   "name, so its identity is ambiguous");
    if (!identity_name_entry(X509_get_subject_name(leaf), NID_commonName, 0, identity->id,
                             sizeof identity->id))
        return fr_error_set(error, "the certificate's subject has no common name of 1 to %d bytes",
                            FR_VIN_MAX);
    for (char *c = identity->id; *c != '\0'; c++)
        if (*c == '.')
            *c = '-';
    if (!fr_vin_valid(identity->id, strlen(identity->id)))
        return fr_error_set(error, "the certificate's common name is not a device id");
    identity_name_entry(X509_get_issuer_name(leaf), NID_commonName, 0, issuer, sizeof issuer);
    if (X509_get_extension_flags(leaf) & EXFLAG_INVALID)
        return fr_error_set(error, "the certificate has an extension that cannot be read");
    eku = X509_get_ext_d2i(leaf, NID_ext_key_usage, NULL, NULL);
    if (fr_certificate_allows_client(leaf))
        status = identity_find_type(leaf, issuer, eku, identity, error);
    else
        fr_error_set(error, "the certificate is not for client authentication");
    EXTENDED_KEY_USAGE_free(eku);
    return status;
}
