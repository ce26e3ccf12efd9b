//! Strangers wait once.

use super::Row;

pub(super) const SCRIPTS: &[Row] = &[
    (
        "a stranger waits once, and its network is known then",
        "",
        "
        client 192.0.2.9 mail.far.example
        mail a@far.example
        rcpt b@here.example -> wait 300
        end
        pass 100
        mail a@far.example
        rcpt b@here.example -> wait 200
        pass 200
        client 192.0.2.77 other.far.example
        mail a@far.example
        rcpt b@here.example -> came back 300
        rcpt c@here.example
        done
        client 192.0.2.5 third.far.example
        mail x@other.example
        rcpt d@here.example
        done
        ",
    ),
    (
        "each of several recipients has its own appointment",
        "",
        "
        client 2001:db8:1::9 mail.far.example
        mail a@far.example
        rcpt b@here.example -> wait 300
        pass 50
        rcpt c@here.example -> wait 300
        pass 250
        rcpt b@here.example -> came back 300
        rcpt c@here.example
        done
        ",
    ),
    (
        "who logged in, the postmaster and notices are not asked to wait",
        "",
        "
        without smtp
        client 192.0.2.9 mail.far.example
        login anna
        mail a@far.example
        rcpt b@here.example
        done
        client 198.51.100.1 mail.far.example
        mail a@far.example
        rcpt postmaster
        rcpt b@here.example -> wait 300
        end
        mail <>
        rcpt b@here.example
        done
        ",
    ),
    (
        "exempt networks, domains and recipients",
        "[greylist]\nexempt_networks = [\"192.0.2.0/25\"]\nexempt_domains = [\"friend.example\"]\nexempt_recipients = [\"list@here.example\"]\n",
        "
        client 192.0.2.9 a.example
        mail a@far.example
        rcpt b@here.example
        done
        client 192.0.2.200 b.example
        mail a@far.example
        rcpt b@here.example -> wait 300
        rcpt list@here.example
        done
        mail a@friend.example
        rcpt b@here.example
        done
        ",
    ),
    (
        "beyond the bound no time is told",
        "[greylist]\nmax_pending_per_network = 1\n",
        "
        client 192.0.2.9 a.example
        mail a@far.example
        rcpt b@here.example -> wait 300
        end
        mail z@far.example
        rcpt b@here.example -> wait
        ",
    ),
    (
        "greylisting that is off asks nobody to wait",
        "[greylist]\nmode = \"off\"\n",
        "
        client 192.0.2.9 a.example
        mail a@far.example
        rcpt b@here.example
        done
        ",
    ),
    (
        "odd addresses are the same everywhere",
        "",
        "
        client 192.0.2.9 a.example
        mail a%x|y@far.example
        rcpt \"b c\"@here.example -> wait 300
        rcpt b%c@here.example -> wait 300
        rcpt bücher@here.example -> wait 300
        ",
    ),
];
