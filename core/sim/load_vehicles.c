#include "sim/load_vehicles.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "sim/vehicle_buffer.h"

#define FIRST_SOURCE 0x7f000101 /* 127.0.1.1 */

void fr_load_vin(size_t n, char vin[18])
{
    snprintf(vin, 18, "5YJ3E1EA7KF%06zu", n % 1000000);
}

int fr_load_resolve(const char *host, uint16_t port, struct sockaddr_storage *address,
                    socklen_t *len, struct fr_error *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *info;
    char service[8];
    int status;

    snprintf(service, sizeof service, "%u", port);
    status = getaddrinfo(host, service, &hints, &info);
    if (status != 0)
        return fr_error_set(error, "%s: %s", host, gai_strerror(status));
    memcpy(address, info->ai_addr, info->ai_addrlen);
    *len = info->ai_addrlen;
    freeaddrinfo(info);
    return 0;
}

static void load_set_source(const struct fr_load_settings *s, size_t i, struct fr_car_settings *car)
{
    struct sockaddr_in source = {.sin_family = AF_INET};

    if (s->sources == 0)
        return;
    source.sin_addr.s_addr = htonl(FIRST_SOURCE + (uint32_t)(i % s->sources));
    memcpy(&car->source, &source, sizeof source);
    car->source_len = sizeof source;
}

int fr_load_make_vehicles(struct fr_load *load, const struct fr_car_settings *callbacks,
                          struct fr_pki *pki, struct fr_error *error)
{
    const struct fr_load_settings *s = &load->settings;
    struct fr_car_settings car = *callbacks;
    char vin[18];

    car.server_name = "localhost";
    car.network_interface = "cellular";
    car.window = s->window != 0 ? s->window : FR_CAR_BUFFER;
    car.no_reconnect = s->hold_reconnect;
    car.vin = vin;
    if (fr_load_resolve(s->host, s->port, &car.address, &car.address_len, error) != 0)
        return -1;
    for (size_t i = 0; i < s->vehicles; i++) {
        struct load_vehicle *v = &load->vehicles[i];

        fr_load_vin(s->first + i, vin);
        load_set_source(s, i, &car);
        car.context = fr_pki_vehicle(pki, vin, FR_PKI_GOOD, error);
        if (car.context == NULL)
            return -1;
        v->load = load;
        car.ctx = v;
        v->car = fr_car_new(load->sim_loop, &car);
        SSL_CTX_free(car.context);
    }
    return 0;
}
