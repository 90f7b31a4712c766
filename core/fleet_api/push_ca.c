#include "fleet_api/push_ca.h"

#include <jansson.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_api/ca_verify.h"
#include "fleet_api/text_digest.h"
#include "util/memory.h"

/* ---- what vehicles have ---------------------------------------------------------- */

bool fr_push_ca_accepts(const struct fr_push_plan *plan, const char *ca)
{
    STACK_OF(X509) * list;
    int code;

    if (plan->chain.certificate == NULL)
        return false;
    list = fr_ca_parse(ca);
    code = fr_ca_verify_list(plan->chain.certificate, plan->chain.file, list, plan->hostname, NULL);
    sk_X509_pop_free(list, X509_free);
    return code == X509_V_OK;
}

void fr_push_ca_accepted(const struct fr_push_plan *plan, const struct fr_state *state,
                         int64_t now_ms, struct fr_pushed_ca_list *accepted)
{
    struct fr_pushed_ca_list all;

    *accepted = (struct fr_pushed_ca_list){.count = 1};
    memcpy(accepted->digests[0], plan->ca_sha, sizeof plan->ca_sha);
    fr_pushed_ca_list(state, now_ms, &all);
    for (size_t i = 0; i < all.count && accepted->count < FR_PUSHED_CA_MAX; i++) {
        char *ca = strcmp(all.digests[i], plan->ca_sha) != 0
                       ? fr_pushed_ca_read(plan->server->tesla.folder, all.digests[i])
                       : NULL;

        if (ca != NULL && fr_push_ca_accepts(plan, ca))
            memcpy(accepted->digests[accepted->count++], all.digests[i], sizeof all.digests[i]);
        free(ca);
    }
}

bool fr_push_ca_is_changing(const struct fr_push_plan *plan, const struct fr_state *state,
                            int64_t now_ms)
{
    struct fr_pushed_ca_list all;

    fr_pushed_ca_list(state, now_ms, &all);
    for (size_t i = 0; i < all.count; i++)
        if (strcmp(all.digests[i], plan->ca_sha) != 0)
            return true;
    return false;
}

/* ---- the served certificate ------------------------------------------------------ */

/* Replace `ca` in a configuration; returns its text. */
static char *push_ca_replace(const char *json, const char *ca)
{
    json_t *config = json_loads(json, 0, NULL);
    char *dump, *text;

    json_object_set_new(config, "ca", json_string(ca));
    dump = json_dumps(config, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(15));
    json_decref(config);
    text = dump != NULL ? fr_strdup(dump) : NULL;
    free(dump);
    return text;
}

/* Append the CA certificates with which `pushed` verifies the served chain. Returns whether it
 * does. */
static bool push_ca_append(STACK_OF(X509) * list, STACK_OF(X509) * served, const char *pushed)
{
    STACK_OF(X509) *trusted = fr_ca_parse(pushed), *chain;
    bool verifies =
        fr_ca_verify_list(sk_X509_value(served, 0), served, trusted, NULL, &chain) == X509_V_OK &&
        sk_X509_num(list) + sk_X509_num(chain) <= FR_CA_MAX;

    /* A self-signed server certificate is its own root. */
    for (int i = sk_X509_num(chain) > 1 ? 1 : 0; verifies && i < sk_X509_num(chain); i++) {
        X509 *certificate = sk_X509_value(chain, i);

        if (fr_ca_has(trusted, certificate) && !fr_ca_has(list, certificate) &&
            sk_X509_push(list, certificate) > 0)
            X509_up_ref(certificate);
    }
    sk_X509_pop_free(chain, X509_free);
    sk_X509_pop_free(trusted, X509_free);
    return verifies;
}

static void push_ca_set(struct fr_push_plan *plan, const STACK_OF(X509) * list)
{
    char *ca = fr_ca_text(list), *json = ca != NULL ? push_ca_replace(plan->json, ca) : NULL;

    if (json == NULL) {
        free(ca);
        return;
    }
    free(plan->json);
    free(plan->ca);
    plan->json = json;
    plan->ca = ca;
    fr_text_digest(ca, plan->ca_sha);
}

void fr_push_ca_keep_served(struct fr_push_plan *plan, const struct fr_state *state, int64_t now_ms,
                            const char *served)
{
    STACK_OF(X509) *sent = fr_ca_parse(served), *list = fr_ca_parse(plan->ca);
    X509 *certificate = sk_X509_value(sent, 0);
    int count = sk_X509_num(list);
    struct fr_pushed_ca_list all;
    bool found = certificate == NULL || plan->json == NULL ||
                 fr_ca_verify_list(certificate, sent, list, NULL, NULL) == X509_V_OK;

    fr_pushed_ca_list(state, now_ms, &all);
    for (size_t i = 0; !found && i < all.count; i++) {
        char *ca = fr_pushed_ca_read(plan->server->tesla.folder, all.digests[i]);

        found = ca != NULL && push_ca_append(list, sent, ca);
        free(ca);
    }
    if (sk_X509_num(list) > count)
        push_ca_set(plan, list);
    sk_X509_pop_free(list, X509_free);
    sk_X509_pop_free(sent, X509_free);
}

/* ---- the configuration of a vehicle ---------------------------------------------- */

/* `ca` of a configuration in the form in which it is pushed; NULL: none. */
static char *push_ca_of(const char *config)
{
    json_t *object = config != NULL ? json_loads(config, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *pem = json_string_value(json_object_get(object, "ca"));
    STACK_OF(X509) *list = pem != NULL ? fr_ca_parse(pem) : NULL;
    char *ca = fr_ca_text(list);

    sk_X509_pop_free(list, X509_free);
    json_decref(object);
    return ca;
}

char *fr_push_ca_expected(const struct fr_push_plan *plan, const char *config, const char *digest)
{
    char *ca, *text = NULL, found[65];

    if (plan->json == NULL)
        return NULL;
    ca = push_ca_of(config);
    if (ca != NULL && digest != NULL)
        fr_text_digest(ca, found);
    if (ca != NULL && (digest != NULL ? strcmp(found, digest) == 0 : fr_push_ca_accepts(plan, ca)))
        text = push_ca_replace(plan->json, ca);
    free(ca);
    return text != NULL ? text : fr_strdup(plan->json);
}

void fr_push_ca_digest(const char *config, char digest[65])
{
    char *ca = push_ca_of(config);

    digest[0] = '\0';
    if (ca != NULL)
        fr_text_digest(ca, digest);
    free(ca);
}

/* ---- saving ---------------------------------------------------------------------- */

int fr_push_ca_save(const struct fr_push_plan *plan, struct fr_state *state, int64_t now_ms,
                    int group, struct fr_error *error)
{
    const char *folder = plan->server->tesla.folder;
    struct fr_pushed_ca_list list;

    fr_pushed_ca_list(state, now_ms, &list);
    for (size_t i = 0; plan->ca != NULL && i < list.count; i++)
        if (strcmp(list.digests[i], plan->ca_sha) == 0 &&
            fr_pushed_ca_write(folder, plan->ca, plan->ca_sha, group, error) != 0)
            return -1;
    if (fr_state_write(folder, state, now_ms, group, error) != 0)
        return -1;
    fr_pushed_ca_prune(folder, &list);
    return 0;
}
