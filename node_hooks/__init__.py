"""
What runs on a node. Python 3.11 standard library only: this package is copied to nodes and imports nothing of ours.

libvirt waits for its hook, so the hook writes one record into a spool and exits; the agent delivers the records.
Start at ``qemu_hook.py`` (what libvirt runs), then ``delivery.py`` (how a record reaches the manager).

    qemu_hook   the libvirt hook, a script of its own     spool       the records, read and acknowledged
    delivery    spool -> endpoint, in order               client      signed HTTP; signature: pure, also the server's
    document    what the manager wants of this node       network     converges it; firewall, guard: the nftables texts
    reading     values that the document tells            ended       keeps connections from being taken up again
    taps        keeps what guests may send                groups, nft, flows, tracking: what that takes
    command     runs nft, ip and the like                 tables      keeps tables of nftables as they are wanted
    segments    networks of the node's own making         links       as the document tells them
    devices     what is there, and the commands           tunnel      their nftables texts; dhcp: their dnsmasq
    public      addresses and ports, as told              answering   keeps them; translation: their nftables texts
    announce    tells a link where an address is          withdrawn   which connections end with an address
    metadata    forwards guests; guest_request: parsing   watch       wakes the delivery when a record appears
    problem     what can be amiss                         report     what the manager is told of the node
    consoles    keeps console logs within bounds          main        the `wawel-node` command; install, state, status
    agent       the daemon's threads
"""
