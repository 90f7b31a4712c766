#include "teslamate/rest.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "teslamate/vehicle_json.h"

#define STREAM_PATH "/streaming/"
#define VEHICLES_PATH "/api/1/vehicles"
#define EXPIRES_SECONDS 28800
#define ID_SIZE 32

#define UNAVAILABLE                                                                                \
    "{\"response\":null,\"error\":\"vehicle unavailable: vehicle is offline or asleep\","          \
    "\"error_description\":\"\"}"
#define UNAUTHORISED                                                                               \
    "{\"response\":null,\"error\":\"invalid bearer token\",\"error_description\":"                 \
    "\"the token is not in token_file\"}"
#define NOT_FOUND "{\"response\":null,\"error\":\"not_found\",\"error_description\":\"\"}"
#define WRONG_METHOD                                                                               \
    "{\"response\":null,\"error\":\"method not allowed\",\"error_description\":"                   \
    "\"commands are not supported\"}"

/* ---- helpers --------------------------------------------------------------------- */

/* Answer with an object, which is released. */
static void rest_send(struct client *client, int status, json_t *root)
{
    char *text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;

    client_answer(client, text != NULL ? status : 500,
                  text != NULL ? text : "{\"response\":null,\"error\":\"no memory\"}");
    if (text != NULL)
        OPENSSL_cleanse(text, strlen(text));
    free(text);
    json_decref(root);
}

static void rest_send_response(struct client *client, json_t *response)
{
    json_t *root = json_object();

    json_object_set_new(root, "response", response);
    rest_send(client, 200, root);
}

static bool rest_is_token(const struct rest *rest, const char *token)
{
    return *rest->tokens != NULL && token_file_contains(*rest->tokens, token);
}

/* ---- tokens ---------------------------------------------------------------------- */

/* Copy `refresh_token` of JSON or of a form. */
static void rest_read_refresh(const char *content, char token[REQUEST_TOKEN_SIZE])
{
    json_t *root = content[0] == '{' ? json_loads(content, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *text = json_string_value(json_object_get(root, "refresh_token"));

    token[0] = '\0';
    if (text != NULL && strlen(text) < REQUEST_TOKEN_SIZE)
        memcpy(token, text, strlen(text) + 1);
    else if (root == NULL)
        request_form_value(content, strlen(content), "refresh_token", token, REQUEST_TOKEN_SIZE);
    json_decref(root);
}

/* A refresh: the token that was presented is valid on, and serves for both. */
static void rest_token(const struct rest *rest, struct client *client,
                       const struct request *request, const char *content)
{
    char token[REQUEST_TOKEN_SIZE];
    json_t *root;

    rest_read_refresh(content, token);
    if (!rest_is_token(rest, token))
        memcpy(token, request->token, sizeof token);
    if (rest_is_token(rest, token)) {
        client_authorise(client);
        root = json_pack("{s:s, s:s, s:s, s:s, s:i, s:I}", "access_token", token, "refresh_token",
                         token, "id_token", "", "token_type", "Bearer", "expires_in",
                         EXPIRES_SECONDS, "created_at", (json_int_t)time(NULL));
        rest_send(client, 200, root);
    } else
        client_answer(client, 401,
                      "{\"error\":\"invalid_grant\",\"error_description\":"
                      "\"the refresh_token is not in token_file\"}");
    OPENSSL_cleanse(token, sizeof token);
}

/* ---- vehicles -------------------------------------------------------------------- */

static void rest_products(const struct rest *rest, struct client *client)
{
    json_t *root = json_object(), *list = json_array();
    const struct vehicle *vehicle = vehicles_first(rest->vehicles);

    for (; vehicle != NULL && json_array_size(list) < REST_PRODUCTS_MAX; vehicle = vehicle->next)
        json_array_append_new(list, vehicle_json_summary(vehicle));
    json_object_set_new(root, "count", json_integer((json_int_t)json_array_size(list)));
    json_object_set_new(root, "response", list);
    rest_send(client, 200, root);
}

/* `rest_of_path`: "/ID" or "/ID/vehicle_data". */
static void rest_vehicle(const struct rest *rest, struct client *client, const char *rest_of_path)
{
    const char *id = rest_of_path + 1, *end = id + strcspn(id, "/");
    const struct vehicle *vehicle = NULL;
    char text[ID_SIZE];

    if (end != id && (size_t)(end - id) < sizeof text) {
        memcpy(text, id, (size_t)(end - id));
        text[end - id] = '\0';
        vehicle = vehicles_find(rest->vehicles, text);
    }
    if (vehicle == NULL)
        client_answer(client, 404, NOT_FOUND);
    else if (*end == '\0')
        rest_send_response(client, vehicle_json_summary(vehicle));
    else if (strcmp(end, "/vehicle_data") != 0)
        client_answer(client, 404, NOT_FOUND);
    else if (!vehicle->online)
        client_answer(client, 408, UNAVAILABLE);
    else
        rest_send_response(client, vehicle_json_data(vehicle));
}

/* ---- requests -------------------------------------------------------------------- */

/* The token is in the request, or in the messages that follow. */
static void rest_stream(const struct rest *rest, struct client *client,
                        const struct request *request)
{
    bool authorised = rest_is_token(rest, request->token);

    if (!request->upgrade || !request->version_13 || request->key[0] == '\0' ||
        request->method != REQUEST_GET)
        client_answer(client, 426, "{\"error\":\"this path is for WebSockets (RFC 6455)\"}");
    else if (request->token[0] != '\0' && !authorised)
        client_answer(client, 401, UNAUTHORISED);
    else
        client_upgrade(client, request->key, authorised);
}

static bool rest_is_stream(const char *path)
{
    return strcmp(path, STREAM_PATH) == 0 || strcmp(path, "/streaming") == 0;
}

static void rest_get(const struct rest *rest, struct client *client, const char *path)
{
    size_t len = strlen(VEHICLES_PATH);

    if (strcmp(path, "/api/1/products") == 0 || strcmp(path, VEHICLES_PATH) == 0)
        rest_products(rest, client);
    else if (strncmp(path, VEHICLES_PATH, len) == 0 && path[len] == '/')
        rest_vehicle(rest, client, path + len);
    else if (strcmp(path, "/api/1/users/orders") == 0)
        rest_send_response(client, json_array()); /* clients ask for it at their start */
    else
        client_answer(client, 404, NOT_FOUND);
}

void rest_answer(const struct rest *rest, struct client *client, const struct request *request,
                 const char *content)
{
    if (rest_is_stream(request->path))
        rest_stream(rest, client, request);
    else if (request->method == REQUEST_POST && strcmp(request->path, rest->token_path) == 0)
        rest_token(rest, client, request, content);
    else if (!rest_is_token(rest, request->token))
        client_answer(client, 401, UNAUTHORISED);
    else {
        client_authorise(client);
        if (request->method == REQUEST_GET || request->method == REQUEST_HEAD)
            rest_get(rest, client, request->path);
        else
            client_answer(client, 405, WRONG_METHOD);
    }
}
