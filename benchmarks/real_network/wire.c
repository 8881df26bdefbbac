/* The wire between the nodes: an Ethernet switch that holds every frame for a fixed time.
 *
 *     wire LATENCY_US PORT...
 *
 * Each PORT is a network interface. A frame that comes in at one of them is sent out LATENCY_US microseconds later at
 * the port named by the fourth byte of its destination's MAC address (02:00:00:00:00:NN goes out at the NN-th port,
 * counted from 1); a broadcast goes out at all others. The delay is the same for all, so the frames wait in one line.
 *
 * It stands in for netem where the kernel has none. Rates are not its business: tc shapes them before a frame comes in
 * and after it has gone out. Prints "ready" when it listens; on SIGTERM or SIGINT prints what it did, as JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

enum { MAX_PORTS = 64, MAX_FRAME = 2048, BATCH = 32, NUM_WAITING = 1 << 16 };

struct waiting {
    int64_t due_ns;
    int16_t in, length;
    unsigned char frame[MAX_FRAME];
};

static struct waiting *line; /* a ring buffer: line[first % NUM_WAITING] is due next */
static uint64_t first, last;
static uint64_t num_forwarded, num_overflowed, num_refused;
static int64_t worst_late_ns;
static volatile sig_atomic_t is_over;

static void on_signal(int number) {
    (void)number;
    is_over = 1;
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int open_port(const char *name) {
    int ignore = 1, size = 16 << 20;
    int port = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    if (port < 0) die("socket");
    address.sll_ifindex = (int)if_nametoindex(name);
    if (address.sll_ifindex == 0) die(name);
    if (setsockopt(port, SOL_PACKET, PACKET_IGNORE_OUTGOING, &ignore, sizeof ignore)) die("PACKET_IGNORE_OUTGOING");
    if (setsockopt(port, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) die("SO_RCVBUFFORCE");
    if (setsockopt(port, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size)) die("SO_SNDBUFFORCE");
    if (bind(port, (struct sockaddr *)&address, sizeof address)) die("bind");
    return port;
}

static void receive(int in, int port, int64_t latency_ns) {
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    int room = (int)(NUM_WAITING - (last - first)) < BATCH ? 0 : BATCH;
    static unsigned char lost[MAX_FRAME];
    if (!room) {
        num_overflowed += recv(port, lost, sizeof lost, 0) > 0;
        return;
    }
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < BATCH; i++) {
        parts[i].iov_base = line[(last + i) % NUM_WAITING].frame;
        parts[i].iov_len = MAX_FRAME;
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int count = recvmmsg(port, messages, BATCH, 0, NULL);
    int64_t due = now_ns() + latency_ns;
    for (int i = 0; i < count; i++, last++) {
        struct waiting *slot = &line[last % NUM_WAITING];
        slot->due_ns = due;
        slot->in = (int16_t)in;
        slot->length = (int16_t)messages[i].msg_len;
    }
}

static void forward(const struct waiting *frame, const int *ports, int num_ports) {
    int out = frame->frame[5] - 1;
    int is_broadcast = frame->frame[0] & 1;
    for (int i = 0; i < num_ports; i++) {
        if (i == frame->in || (!is_broadcast && i != out)) continue;
        if (send(ports[i], frame->frame, (size_t)frame->length, 0) < 0) num_refused++;
        num_forwarded++;
    }
}

int main(int argc, char **argv) {
    int ports[MAX_PORTS], num_ports = argc - 2;
    struct pollfd polled[MAX_PORTS];
    struct sched_param priority = {.sched_priority = 10};
    struct sigaction action = {.sa_handler = on_signal};
    if (argc < 3 || num_ports > MAX_PORTS) {
        fprintf(stderr, "usage: wire LATENCY_US PORT...\n");
        return 2;
    }
    int64_t latency_ns = (int64_t)(atof(argv[1]) * 1000);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    line = mmap(NULL, NUM_WAITING * sizeof *line, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (line == MAP_FAILED) die("mmap");
    for (int i = 0; i < num_ports; i++) {
        ports[i] = open_port(argv[i + 2]);
        polled[i] = (struct pollfd){.fd = ports[i], .events = POLLIN};
    }
    if (sched_setscheduler(0, SCHED_FIFO, &priority)) perror("no real-time priority");
    puts("ready");
    fflush(stdout);
    while (!is_over) {
        struct timespec wait = {.tv_sec = 1};
        if (first < last) {
            int64_t left = line[first % NUM_WAITING].due_ns - now_ns();
            wait = (struct timespec){.tv_sec = left > 0 ? left / 1000000000 : 0, .tv_nsec = left > 0 ? left % 1000000000 : 0};
        }
        if (ppoll(polled, (nfds_t)num_ports, &wait, NULL) > 0)
            for (int i = 0; i < num_ports; i++)
                if (polled[i].revents & POLLIN) receive(i, ports[i], latency_ns);
        for (int64_t now = now_ns(); first < last && line[first % NUM_WAITING].due_ns <= now; first++) {
            int64_t late = now - line[first % NUM_WAITING].due_ns;
            if (late > worst_late_ns) worst_late_ns = late;
            forward(&line[first % NUM_WAITING], ports, num_ports);
        }
    }
    printf("{\"forwarded\": %llu, \"overflowed\": %llu, \"refused\": %llu, \"worst_late_ms\": %.3f}\n",
           (unsigned long long)num_forwarded, (unsigned long long)num_overflowed, (unsigned long long)num_refused,
           (double)worst_late_ns / 1e6);
    return 0;
}
