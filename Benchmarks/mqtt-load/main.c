// A load of MQTT clients in one thread over epoll: what a server is asked to do while it is measured, by a program that
// takes as little of the machine as it can. It prints one line of JSON.
//
//   mqtt-load publish --address 127.0.0.1:1883 --connections 100 --window 20 --seconds 5
//   mqtt-load idle    --connections 10000      holds them until its standard input ends, having said "ready"
//   mqtt-load connect --connections 50000 --parallel 64     each: CONNECT, CONNACK, DISCONNECT
//
// In --topic and --payload, %d is the client's number and %n the message's.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MOST_TEXT = 1024, MOST_WINDOW = 4096, EVENTS = 512 };
enum state { CONNECTING, GREETING, OPEN, GONE };

struct client {
    int fd;
    enum state state;
    uint32_t number;
    uint64_t sent, answered;   // messages; the packet identifier of message n is 1 + n % 65535
    uint64_t began;            // of the CONNECT
    uint64_t *times;           // when each message under way was sent, a ring of `window`
    uint8_t *out;              // bytes that wait for room in the socket
    size_t out_count, out_room;
    uint8_t in[64];            // the beginning of a packet that has not come whole
    size_t in_count;
};

static struct {
    struct sockaddr_in address;
    const char *mode, *topic, *payload, *prefix;
    uint32_t connections, window, parallel, version, qos;
    double seconds, warm;
} ask = {.topic = "bench/%d", .payload = "{\"delta\":1,\"reason\":\"load\",\"eventId\":\"%d-%n\"}", .prefix = "load", .connections = 100,
         .window = 20, .parallel = 64, .version = 5, .qos = 1, .seconds = 5, .warm = 1};

static int poll_fd;
static int measuring;
static uint64_t acknowledged, refused, out_of_order, failed, opened;

static void stop(const char *format, ...) {
    va_list words;
    va_start(words, format);
    vfprintf(stderr, format, words);
    va_end(words);
    fputc('\n', stderr);
    exit(1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

// Latencies in nanoseconds, to within 1/64: 64 steps in every power of two.

static uint64_t steps[64 * 64], counted, longest;

static void count(uint64_t nanoseconds) {
    unsigned power = nanoseconds < 128 ? 0 : 57 - (unsigned)__builtin_clzll(nanoseconds);
    steps[power * 64 + (nanoseconds >> power)]++;
    counted++;
    if (nanoseconds > longest) longest = nanoseconds;
}

static double quantile(double share) {
    uint64_t left = (uint64_t)(share * (double)counted);
    for (unsigned place = 0; place < 64 * 63; place++) {
        if (steps[place] > left) {
            unsigned power = place / 64 ? place / 64 - 1 : 0;
            return (double)((uint64_t)(place - power * 64) << power) / 1e9;
        }
        left -= steps[place];
    }
    return (double)longest / 1e9;
}

// Packets.

static size_t put_text(uint8_t *out, const char *text, size_t bytes) {
    out[0] = (uint8_t)(bytes >> 8);
    out[1] = (uint8_t)bytes;
    memcpy(out + 2, text, bytes);
    return bytes + 2;
}

// The pattern with its numbers; at most MOST_TEXT bytes.
static size_t spell(char *out, const char *pattern, uint32_t client, uint64_t message) {
    size_t at = 0;
    for (const char *from = pattern; *from && at < MOST_TEXT - 24; from++) {
        if (from[0] == '%' && (from[1] == 'd' || from[1] == 'n')) {
            uint64_t number = from[1] == 'd' ? client : message;
            char digits[24];
            size_t places = 0;
            do digits[places++] = (char)('0' + number % 10); while (number /= 10);
            while (places) out[at++] = digits[--places];
            from++;
        } else {
            out[at++] = *from;
        }
    }
    return at;
}

static size_t put_head(uint8_t *out, uint8_t first, size_t bytes) {
    size_t at = 0;
    out[at++] = first;
    do {
        uint8_t low = bytes & 127;
        bytes >>= 7;
        out[at++] = low | (bytes ? 128 : 0);
    } while (bytes);
    return at;
}

static size_t put_connect(uint8_t *out, const struct client *client) {
    char name[64];
    int bytes = snprintf(name, sizeof name, "%s%u", ask.prefix, client->number);
    uint8_t body[128] = {0, 4, 'M', 'Q', 'T', 'T', (uint8_t)ask.version, 2, 0, 0};  // clean, no keep alive
    size_t at = 10;
    if (ask.version == 5) body[at++] = 0;
    at += put_text(body + at, name, (size_t)bytes);
    size_t head = put_head(out, 0x10, at);
    memcpy(out + head, body, at);
    return head + at;
}

static size_t put_publish(uint8_t *out, const struct client *client, uint64_t message) {
    char topic[MOST_TEXT], payload[MOST_TEXT];
    size_t topic_bytes = spell(topic, ask.topic, client->number, message), payload_bytes = spell(payload, ask.payload, client->number, message);
    size_t at = put_head(out, (uint8_t)(0x30 | ask.qos << 1), 2 + topic_bytes + 2 + (ask.version == 5) + payload_bytes);
    at += put_text(out + at, topic, topic_bytes);
    uint16_t identifier = (uint16_t)(1 + message % 65535);
    out[at++] = (uint8_t)(identifier >> 8);
    out[at++] = (uint8_t)identifier;
    if (ask.version == 5) out[at++] = 0;
    memcpy(out + at, payload, payload_bytes);
    return at + payload_bytes;
}

// Connections.

static void watch(struct client *client, int change, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = client};
    if (epoll_ctl(poll_fd, change, client->fd, &event)) stop("epoll_ctl: %s", strerror(errno));
}

static void dial(struct client *client) {
    int one = 1;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0) stop("socket: %s", strerror(errno));
    // No more than 10,000 from one address: a source has only so many ports.
    struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001 + client->number / 10000)};
    setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(client->fd, (struct sockaddr *)&source, sizeof source)) stop("bind: %s", strerror(errno));
    if (connect(client->fd, (struct sockaddr *)&ask.address, sizeof ask.address) && errno != EINPROGRESS) stop("connect: %s", strerror(errno));
    client->state = CONNECTING;
    client->in_count = client->out_count = 0;
    client->sent = client->answered = 0;
    client->began = now();
    watch(client, EPOLL_CTL_ADD, EPOLLOUT);
}

static void hang_up(struct client *client, int abrupt) {
    if (client->state == GONE) return;
    // Without the lingering of the closed connection: 50,000 of them would use up the ports.
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (abrupt) setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(client->fd);
    client->state = GONE;
}

static void flush(struct client *client) {
    size_t done = 0;
    while (done < client->out_count) {
        ssize_t wrote = send(client->fd, client->out + done, client->out_count - done, MSG_NOSIGNAL);
        if (wrote < 0) {
            if (errno != EAGAIN) {
                failed++;
                hang_up(client, 1);
                return;
            }
            break;
        }
        done += (size_t)wrote;
    }
    memmove(client->out, client->out + done, client->out_count - done);
    int was_waiting = client->state == OPEN && client->out_count && !done;
    client->out_count -= done;
    if (client->out_count) watch(client, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    else if (was_waiting || client->state != OPEN || done) watch(client, EPOLL_CTL_MOD, EPOLLIN);
}

// As many messages as the window has room for, in one write.
static void fill(struct client *client) {
    uint64_t time = now();
    while (client->sent - client->answered < ask.window && client->out_count + 2 * MOST_TEXT + 16 <= client->out_room) {
        client->out_count += put_publish(client->out + client->out_count, client, client->sent);
        client->times[client->sent++ % ask.window] = time;
    }
    flush(client);
}

static void take_puback(struct client *client, const uint8_t *body, size_t bytes) {
    if (bytes < 2 || client->answered == client->sent) stop("a PUBACK of nothing");
    if ((body[0] << 8 | body[1]) != (int)(1 + client->answered % 65535)) out_of_order++;
    if (measuring) {
        count(now() - client->times[client->answered % ask.window]);
        acknowledged++;
        if (bytes > 2 && body[2] >= 0x80) refused++;
    }
    client->answered++;
}

static void take_connack(struct client *client, const uint8_t *body) {
    if (body[1]) {
        refused++;
        hang_up(client, 1);
        return;
    }
    opened++;
    client->state = OPEN;
    if (!strcmp(ask.mode, "connect")) {
        count(now() - client->began);
        if (send(client->fd, "\xe0\0", 2, MSG_NOSIGNAL) != 2) failed++;
        hang_up(client, 0);
    } else if (!strcmp(ask.mode, "publish")) {
        fill(client);
    }
}

static void hear(struct client *client) {
    static uint8_t bytes[1 << 16];
    memcpy(bytes, client->in, client->in_count);
    ssize_t got = recv(client->fd, bytes + client->in_count, sizeof bytes - client->in_count, 0);
    if (got <= 0) {
        if (got < 0 && errno == EAGAIN) return;
        failed++;
        hang_up(client, 1);
        return;
    }
    size_t end = client->in_count + (size_t)got, at = 0;
    uint64_t before = client->answered;
    while (end - at >= 2 && client->state != GONE) {
        size_t length = bytes[at + 1] & 127, head = 2;
        if (bytes[at + 1] & 128) {
            if (end - at < 3) break;
            length |= (size_t)bytes[at + 2] << 7;
            head = 3;
        }
        if (end - at < head + length) break;
        uint8_t type = bytes[at] >> 4;
        if (type == 2) take_connack(client, bytes + at + head);
        else if (type == 4) take_puback(client, bytes + at + head, length);
        else if (type == 14) stop("DISCONNECT %#x", length ? bytes[at + head] : 0);
        at += head + length;
    }
    if (client->state == GONE) return;
    client->in_count = end - at;
    if (client->in_count > sizeof client->in) stop("a packet that this load does not expect");
    memcpy(client->in, bytes + at, client->in_count);
    if (client->answered != before) fill(client);
}

static void turn(struct client *client, uint32_t events) {
    if (client->state == CONNECTING) {
        int error = 0;
        socklen_t bytes = sizeof error;
        getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
        if (error) {
            failed++;
            hang_up(client, 1);
            return;
        }
        client->state = GREETING;
        client->out_count = put_connect(client->out, client);
        flush(client);
        return;
    }
    if (events & EPOLLOUT) flush(client);
    if (client->state != GONE && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) hear(client);
}

static void wait_and_turn(int milliseconds) {
    static struct epoll_event events[EVENTS];
    int ready = epoll_wait(poll_fd, events, EVENTS, milliseconds);
    for (int place = 0; place < ready; place++) turn(events[place].data.ptr, events[place].events);
}

static struct client *prepare(uint32_t number) {
    struct client *client = calloc(1, sizeof *client);
    int publishes = !strcmp(ask.mode, "publish");
    client->number = number;
    client->state = GONE;
    client->out_room = publishes ? (size_t)ask.window * 256 + 2 * MOST_TEXT + 16 : 192;
    client->out = malloc(client->out_room);
    client->times = publishes ? calloc(ask.window, sizeof *client->times) : NULL;
    return client;
}

// Opens all of them, some at a time so that no backlog overflows.
static struct client **open_all(void) {
    struct client **clients = calloc(ask.connections, sizeof *clients);
    uint64_t limit = now() + 120000000000u;
    for (uint32_t begun = 0; opened + failed + refused < ask.connections;) {
        while (begun < ask.connections && begun - (opened + failed + refused) < 256) dial(clients[begun] = prepare(begun)), begun++;
        wait_and_turn(100);
        if (now() > limit) stop("%lu of %u connections opened in time", opened, ask.connections);
    }
    return clients;
}

static void publish(void) {
    open_all();
    for (uint64_t end = now() + (uint64_t)(ask.warm * 1e9); now() < end;) wait_and_turn(10);
    measuring = 1;
    uint64_t start = now(), end = start + (uint64_t)(ask.seconds * 1e9);
    while (now() < end) wait_and_turn(10);
    double took = (double)(now() - start) / 1e9;
    printf("{\"acknowledged\": %lu, \"refused\": %lu, \"failed\": %lu, \"out_of_order\": %lu, \"seconds\": %.3f, \"rate\": %.1f, \"p50\": %.6f, \"p99\": %.6f, \"max\": %.6f}\n",
           acknowledged, refused, failed, out_of_order, took, (double)acknowledged / took, quantile(0.5), quantile(0.99), (double)longest / 1e9);
}

static void idle(void) {
    open_all();
    printf("ready %lu, failed %lu, refused %lu\n", opened, failed, refused);
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0) {}
}

static void connects(void) {
    uint32_t begun = 0, places = ask.parallel < ask.connections ? ask.parallel : ask.connections;
    struct client **clients = calloc(places, sizeof *clients);
    for (uint32_t place = 0; place < places; place++) clients[place] = prepare(place);
    uint64_t start = now(), limit = start + 300000000000u;
    while (opened + failed + refused < ask.connections) {
        for (uint32_t place = 0; place < places && begun < ask.connections; place++) {
            if (clients[place]->state != GONE) continue;
            clients[place]->number = begun++;
            dial(clients[place]);
        }
        wait_and_turn(100);
        if (now() > limit) stop("%lu of %u connections in time", opened, ask.connections);
    }
    double took = (double)(now() - start) / 1e9;
    printf("{\"connects\": %lu, \"refused\": %lu, \"failed\": %lu, \"seconds\": %.3f, \"rate\": %.1f, \"p50\": %.6f, \"p99\": %.6f, \"max\": %.6f}\n",
           opened, refused, failed, took, (double)opened / took, quantile(0.5), quantile(0.99), (double)longest / 1e9);
}

int main(int count_of_words, char **words) {
    if (count_of_words < 2) stop("mqtt-load publish|idle|connect [--option value]...");
    ask.mode = words[1];
    ask.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(1883), .sin_addr.s_addr = htonl(0x7f000001)};
    for (int place = 2; place + 1 < count_of_words; place += 2) {
        const char *name = words[place], *value = words[place + 1];
        const char *colon = strrchr(value, ':');
        if (!strcmp(name, "--address") && colon) {
            char host[32] = {0};
            memcpy(host, value, (size_t)(colon - value) < sizeof host ? (size_t)(colon - value) : 0);
            if (inet_pton(AF_INET, host, &ask.address.sin_addr) != 1) stop("%s is no IPv4 address", host);
            ask.address.sin_port = htons((uint16_t)atoi(colon + 1));
        } else if (!strcmp(name, "--connections")) ask.connections = (uint32_t)atoi(value);
        else if (!strcmp(name, "--window")) ask.window = (uint32_t)atoi(value);
        else if (!strcmp(name, "--parallel")) ask.parallel = (uint32_t)atoi(value);
        else if (!strcmp(name, "--version")) ask.version = (uint32_t)atoi(value);
        else if (!strcmp(name, "--seconds")) ask.seconds = atof(value);
        else if (!strcmp(name, "--warm")) ask.warm = atof(value);
        else if (!strcmp(name, "--topic")) ask.topic = value;
        else if (!strcmp(name, "--payload")) ask.payload = value;
        else if (!strcmp(name, "--prefix")) ask.prefix = value;
        else stop("%s %s is not understood", name, value);
    }
    if (!ask.window || ask.window > MOST_WINDOW || !ask.connections || (ask.version != 4 && ask.version != 5)) stop("window 1 to %d, version 4 or 5", MOST_WINDOW);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!strcmp(ask.mode, "publish")) publish();
    else if (!strcmp(ask.mode, "idle")) idle();
    else if (!strcmp(ask.mode, "connect")) connects();
    else stop("%s is none of publish, idle, connect", ask.mode);
    return 0;
}
