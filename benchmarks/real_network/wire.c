/* The wire between the nodes: an Ethernet switch that holds every frame for a fixed time.
 *
 *     wire LATENCY_US PORT...
 *
 * Each PORT is a network interface. A frame that comes in at one of them is sent out LATENCY_US microseconds later at
 * the port named by the fourth byte of its destination's MAC address (02:00:00:00:00:NN goes out at the NN-th port,
 * counted from 1); a broadcast goes out at all others. The delay is the same for all, so the frames wait in one line.
 *
 * It stands in for netem where the kernel has none. Rates are not its business: tc shapes them before a frame comes in
 * and after it has gone out. To spare the processor it looks at the ports every TICK_NS only; the kernel has stamped
 * the frames, and each goes out at the tick nearest to its time. Prints "ready" when it listens; on SIGTERM or SIGINT
 * prints what it did, as JSON.
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

enum { MAX_PORTS = 64, MAX_FRAME = 2048, BATCH = 32, NUM_WAITING = 1 << 16, TICK_NS = 100000, ROOM_FOR_STAMP = 64 };

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
    clock_gettime(CLOCK_REALTIME, &now); /* the clock of the kernel's stamps */
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int open_port(const char *name) {
    int yes = 1, size = 16 << 20;
    int port = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    if (port < 0) die("socket");
    address.sll_ifindex = (int)if_nametoindex(name);
    if (address.sll_ifindex == 0) die(name);
    if (setsockopt(port, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes)) die("PACKET_IGNORE_OUTGOING");
    if (setsockopt(port, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes)) die("SO_TIMESTAMPNS");
    if (setsockopt(port, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) die("SO_RCVBUFFORCE");
    if (setsockopt(port, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size)) die("SO_SNDBUFFORCE");
    if (bind(port, (struct sockaddr *)&address, sizeof address)) die("bind");
    return port;
}

static int64_t stamp_ns(struct msghdr *message) {
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part))
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SO_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
            return stamp.tv_sec * 1000000000LL + stamp.tv_nsec;
        }
    return now_ns();
}

static int receive(int in, int port, int64_t latency_ns) {
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    static char stamps[BATCH][ROOM_FOR_STAMP] __attribute__((aligned(8)));
    if (NUM_WAITING - (last - first) < BATCH) {
        unsigned char lost;
        num_overflowed += recv(port, &lost, 1, 0) > 0;
        return 0;
    }
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){.iov_base = line[(last + i) % NUM_WAITING].frame, .iov_len = MAX_FRAME};
        messages[i].msg_hdr = (struct msghdr){
            .msg_iov = &parts[i], .msg_iovlen = 1, .msg_control = stamps[i], .msg_controllen = ROOM_FOR_STAMP};
    }
    int count = recvmmsg(port, messages, BATCH, 0, NULL);
    for (int i = 0; i < count; i++, last++) {
        struct waiting *slot = &line[last % NUM_WAITING];
        slot->due_ns = stamp_ns(&messages[i].msg_hdr) + latency_ns;
        slot->in = (int16_t)in;
        slot->length = (int16_t)messages[i].msg_len;
    }
    return count;
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
        struct timespec tick = {.tv_nsec = TICK_NS};
        if (first == last) ppoll(polled, (nfds_t)num_ports, NULL, NULL);
        clock_nanosleep(CLOCK_MONOTONIC, 0, &tick, NULL);
        for (int i = 0; i < num_ports; i++)
            while (receive(i, ports[i], latency_ns) == BATCH) {}
        for (int64_t now = now_ns() + TICK_NS / 2; first < last && line[first % NUM_WAITING].due_ns <= now; first++) {
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
