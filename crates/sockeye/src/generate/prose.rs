//! What manual pages say beyond the definitions of the flags.

/// A term, and what is to be known of it.
pub type Entry = (&'static str, &'static str);

/// How each command ends; `exit::Failure` holds to it.
pub const EXIT_STATUS: [Entry; 6] = [
    (
        "0",
        "What was asked for is done. A server was ended by Ctrl-C, SIGTERM or --exit-after-idle.",
    ),
    ("1", "The other side said no: not found, refused, busy. `sockeye find' found nobody."),
    ("2", "Wrong usage: an argument, a setting, a folder that is not there."),
    ("3", "The network or this machine failed: no route, timed out, a port that is taken."),
    ("4", "What arrived is not what was sent."),
    ("130", "A client was ended by Ctrl-C."),
];

/// The variables that are looked at.
pub const ENVIRONMENT: [Entry; 6] = [
    (
        "SOCKEYE_*",
        "Any flag that takes a value or switches something on, by its long name: --max-clients is \
         SOCKEYE_MAX_CLIENTS. Several values stand apart by spaces; switches are 1 or 0. The command \
         line wins over variables, and those over the settings file. An unknown name is an error.",
    ),
    (
        "SOCKEYE_KEY, SOCKEYE_JOIN_KEY",
        "The key that a client says, and the one that a server wants. A command line can be read by \
         others on this machine, a variable cannot.",
    ),
    ("SOCKEYE_CONFIG", "The settings file, where --config names none."),
    ("XDG_DATA_HOME, HOME", "Where the data folder is, where --data names none; see FILES."),
    (
        "SSL_CERT_FILE, SSL_CERT_DIR",
        "The roots that a client trusts over https, in place of this machine's own.",
    ),
    ("TZ", "The zone of the clock, where it is not this machine's own."),
];

/// What is read and kept.
pub const FILES: [Entry; 4] = [
    (
        "~/.local/share/sockeye/",
        "The data folder, which --data moves and --ephemeral does without: this machine's key, the \
         certificate of --tls and its key, and the keys of other hubs that were right. It is for its \
         owner alone.",
    ),
    (
        "sockeye.toml",
        "Settings, if --config names such a file; none is read by itself. A table for each verb \
         ([up], [serve.files], [get]) holds flags by their long names.",
    ),
    (
        "/etc/sockeye/sockeye.toml",
        "The settings of the service that Debian's package brings, sockeye.service.",
    ),
    ("/etc/localtime", "This machine's zone; without it, the clock tells UTC."),
];

/// More about what a command does, a paragraph each.
pub fn description(name: &str) -> &'static [&'static str] {
    match name {
        "sockeye" => &[
            "A server prints a line for each address on standard output, `listening on URL', once it \
             accepts there; a line for each request goes to standard error. A client prints what was \
             asked for on standard output, and nothing else. An address is a URL, and its scheme is \
             the wire: http, https, tcp, udp.",
        ],
        "sockeye-up" => &[
            "The hub listens on this machine alone, unless --lan opens it to the network. Then whoever \
             comes needs the key, 12 characters that the shown link and the QR code carry behind their \
             #; --open lets everybody in.",
            "Besides the page and the folder over http, the hub starts the folder over the raw tcp wire \
             (port 7008: a name in, its bytes out), an echo server (7001) and a clock (7002); a port \
             that is taken is exchanged for a free one, but the page's own. The table that is shown at \
             the start says where each listens.",
            "Nothing outside the folder is ever served, whatever names and links say; names that begin \
             with a dot need --hidden. What is received appears under its name when all of it is safe \
             on the disk, and never before.",
            "The first Ctrl-C or SIGTERM takes no more clients and gives transfers 10 seconds to \
             finish; the second ends at once.",
        ],
        "sockeye-serve" => &[
            "A service alone, without the hub's page, at addresses of your choice. Without --on it \
             listens on this machine alone, at the service's own port.",
        ],
        "sockeye-get" => &[
            "The file appears under its name when it is whole; until then it is NAME.sockeye-part, \
             beside it. A file that exists is not replaced without --overwrite.",
        ],
        "sockeye-put" => &["Up to four files are on their way at once; large ones go in pieces."],
        "sockeye-find" => &[
            "A hub that was started with --lan announces itself by multicast DNS (service _sockeye._tcp, UDP \
             port 5353), unless --no-announce keeps it to itself; hubs of this machine are listed, too. What is \
             listed is what each hub says of itself, and nobody vouches for it.",
            "With --json, each line is an object: name, id, machine, folder, page (its address), pages (at all \
             addresses), access (key, read or open), group, addresses, and services, each with its name \
             and urls. What a hub did not say is null.",
        ],
        "sockeye-key" => &[
            "The key is made when it is first needed, and is kept in the data folder. A hub that runs \
             keeps the one that it started with.",
        ],
        _ => &[],
    }
}
