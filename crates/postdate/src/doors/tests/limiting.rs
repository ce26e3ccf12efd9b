//! Rates, quotas and load: who is over one hears when there is room, and the place is kept.

use super::Row;

pub(super) const SCRIPTS: &[Row] = &[
    (
        "a recipient's rate, and a promise that is kept while others compete",
        "greylist.mode = \"off\"\n[[rates]]\nname = \"r\"\ncount = \"messages\"\nper = \"recipient\"\nlimit = \"60/h burst 1\"\n",
        "
        client 192.0.2.1 a.example
        mail a@far.example
        rcpt b@here.example
        done
        mail c@far.example
        rcpt b@here.example -> 450 4.2.1 TIME=60
        end
        pass 20
        client 203.0.113.9 b.example
        mail x@other.example
        rcpt b@here.example -> 450 4.2.1 TIME=100
        rcpt c@here.example
        done
        pass 40
        client 198.51.100.7 c.example
        mail y@third.example
        rcpt b@here.example -> 450 4.2.1 TIME=120
        end
        client 192.0.2.77 a2.example
        mail c@far.example
        rcpt b@here.example
        done
        pass 60
        client 203.0.113.9 b.example
        mail x@other.example
        rcpt b@here.example
        done
        ",
    ),
    (
        "a sender's rate counts mails, by whatever client",
        "greylist.mode = \"off\"\n[[rates]]\nname = \"s\"\ncount = \"messages\"\nper = \"sender\"\nlimit = \"60/h burst 1\"\n",
        "
        client 192.0.2.1 a.example
        mail a@far.example
        rcpt b@here.example
        rcpt c@here.example
        done
        client 203.0.113.9 b.example
        mail A@far.example
        rcpt b@here.example -> 450 4.7.0 TIME=60
        end
        mail b@far.example
        rcpt b@here.example
        done
        mail <>
        rcpt b@here.example
        done
        ",
    ),
    (
        "a client's mails and recipients",
        "greylist.mode = \"off\"\n[[rates]]\nname = \"m\"\ncount = \"messages\"\nper = \"client\"\nlimit = \"2/min burst 2\"\n\
         [[rates]]\nname = \"t\"\ncount = \"recipients\"\nper = \"client\"\nlimit = \"3/min burst 3\"\n",
        "
        client 192.0.2.1 a.example
        mail a@far.example
        rcpt b@here.example
        rcpt c@here.example
        rcpt d@here.example
        rcpt e@here.example -> 450 4.7.0 TIME=20 from your network
        done
        pass 20
        client 192.0.2.99 b.example
        mail b@far.example
        rcpt f@here.example -> 450 4.7.0 TIME=20
        end
        client 203.0.113.9 c.example
        mail a@far.example
        rcpt e@here.example
        done
        client 192.0.2.1 a.example
        mail a@far.example
        rcpt e@here.example
        done
        ",
    ),
    (
        "octets, as many as came, whatever was announced",
        "greylist.mode = \"off\"\n[[rates]]\nname = \"o\"\ncount = \"octets\"\nper = \"client\"\nlimit = \"60K/min burst 60K\"\n",
        "
        client 192.0.2.1 a.example
        mail a@far.example
        rcpt b@here.example
        done 60000
        mail b@far.example
        rcpt b@here.example
        done 60000 -> 450 4.7.0 TIME=59; at postfix-rcpt: nothing
        pass 59
        client 192.0.2.1 a.example
        mail b@far.example
        rcpt b@here.example
        done 60000
        ",
    ),
    (
        "connections: closed at once, or refused with the first recipient where they are not told of",
        "greylist.mode = \"off\"\n[[rates]]\nname = \"c\"\ncount = \"connections\"\nper = \"client\"\nlimit = \"60/h burst 1\"\n",
        "
        client 192.0.2.1 a.example
        mail a@far.example
        rcpt b@here.example
        rcpt c@here.example
        done
        mail a@far.example
        rcpt b@here.example
        done
        client 192.0.2.1 a.example -> 421 4.7.0 TIME=60 Too much mail from your network; at postfix-rcpt: nothing
        mail a@far.example -> closed; at postfix-rcpt: nothing
        rcpt b@here.example -> closed; at postfix-rcpt: 450 4.7.0 TIME=60
        pass 60
        client 192.0.2.1 a.example
        mail a@far.example
        rcpt b@here.example
        done
        ",
    ),
    (
        "load: strangers are spread over what can be taken, each session's first mail has its place already",
        "greylist.mode = \"off\"\nload.capacity = \"1/s burst 1\"\n",
        "
        client 192.0.2.1 a.example
        mail a@far.example
        rcpt b@here.example
        done
        mail a@far.example
        rcpt b@here.example -> 451 4.3.2 TIME=1; at postfix: 450 4.3.2 TIME=1
        end
        client 203.0.113.1 b.example -> 421 4.3.2 TIME=2; at postfix-rcpt: nothing
        mail b@far.example -> closed; at postfix-rcpt: nothing
        rcpt b@here.example -> closed; at postfix-rcpt: 451 4.3.2 TIME=2
        pass 2
        client 203.0.113.1 b.example
        mail b@far.example
        rcpt b@here.example
        done
        ",
    ),
    (
        "who logged in is counted by name, and asked nothing about its host",
        "[[rates]]\nname = \"u\"\ncount = \"messages\"\nper = \"user\"\nlimit = \"60/h burst 1\"\n\
         [[rates]]\nname = \"m\"\ncount = \"messages\"\nper = \"client\"\nlimit = \"1/d\"\n",
        "
        without smtp
        client 192.0.2.1 a.example
        login anna
        mail a@here.example
        rcpt b@far.example
        done
        client 192.0.2.1 a.example
        login otto
        mail o@here.example
        rcpt b@far.example
        done
        client 198.51.100.1 b.example
        login anna
        mail a2@here.example
        rcpt b@far.example -> 450 4.7.0 TIME=60
        ",
    ),
    (
        "greylisting comes first and charges nothing: its own promise is kept",
        "greylist.delay = \"60s\"\n[[rates]]\nname = \"r\"\ncount = \"messages\"\nper = \"recipient\"\nlimit = \"1/h burst 1\"\n",
        "
        client 192.0.2.1 a.example
        mail a@far.example
        rcpt b@here.example -> wait 60
        end
        pass 30
        client 192.0.2.1 a.example
        mail a@far.example
        rcpt b@here.example -> wait 30
        end
        pass 30
        client 192.0.2.1 a.example
        mail a@far.example
        rcpt b@here.example -> came back 60
        done
        mail c@far.example
        rcpt b@here.example -> 450 4.2.1 TIME=3540
        ",
    ),
    (
        "a mail that is given up took nothing, where that is told",
        "greylist.mode = \"off\"\n[[rates]]\nname = \"s\"\ncount = \"messages\"\nper = \"sender\"\nlimit = \"60/h burst 1\"\n",
        "
        client 192.0.2.1 a.example
        mail a@far.example
        rcpt b@here.example
        end
        mail a@far.example
        rcpt b@here.example -> nothing; at postfix, postfix-rcpt: 450 4.7.0 TIME=60
        ",
    ),
];
