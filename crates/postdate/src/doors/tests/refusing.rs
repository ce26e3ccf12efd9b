//! Full mailboxes, the operator's list, and the words that are set.

use super::Row;

pub(super) const SCRIPTS: &[Row] = &[
    (
        "a full mailbox, with a time once there is a history",
        "",
        "
        full b@here.example
        client 192.0.2.1 a.example
        mail a@far.example
        rcpt b@here.example -> 452 4.2.2; at postfix: 450 4.2.2
        rcpt c@here.example -> wait 300
        end
        pass 100
        room b@here.example
        full b@here.example
        client 192.0.2.1 a.example
        mail a@far.example
        rcpt b@here.example -> 452 4.2.2 TIME=100 Mailbox full; at postfix: 450 4.2.2 TIME=100 Mailbox full
        end
        pass 30
        client 203.0.113.1 b.example
        mail a@far.example
        rcpt b@here.example -> 452 4.2.2 TIME=70; at postfix: 450 4.2.2 TIME=70
        end
        ",
    ),
    (
        "the operator's word goes before the rules; a full mailbox is full for all",
        "[[rates]]\nname = \"c\"\ncount = \"connections\"\nper = \"client\"\nlimit = \"1/d\"\n",
        "
        allow client 192.0.2.0/24
        deny sender bad@far.example
        deny client 198.51.100.7
        allow recipient postbox@here.example
        full f@here.example
        client 192.0.2.1 a.example
        mail a@far.example
        rcpt b@here.example
        rcpt f@here.example -> 452 4.2.2; at postfix: 450 4.2.2
        done
        client 192.0.2.1 a.example
        mail a@far.example
        rcpt b@here.example
        done
        client 203.0.113.1 b.example
        mail bad@far.example
        rcpt b@here.example -> 550 5.7.1 Access denied
        end
        client 198.51.100.7 c.example
        mail a@far.example
        rcpt b@here.example -> 550 5.7.1 Access denied
        ",
    ),
    (
        "as early as can be, where that is wanted",
        "policy.delay_reject = false\n",
        "
        deny client 198.51.100.7
        deny sender bad@far.example
        deny sender <>
        client 192.0.2.1 a.example
        mail bad@far.example -> 550 5.7.1 Access denied; at postfix-rcpt: nothing
        client 192.0.2.1 a.example
        mail a@far.example
        rcpt b@here.example -> wait 300
        client 198.51.100.7 c.example -> 550 5.7.1 Access denied; at postfix-rcpt: nothing
        client 203.0.113.1 b.example
        mail <> -> 550 5.7.1 Access denied; at postfix-rcpt: nothing
        ",
    ),
    (
        "as early as can be, but not before it is known who is exempt",
        "policy.delay_reject = false\n",
        "
        deny client 198.51.100.7
        allow recipient postbox@here.example
        client 198.51.100.7 c.example
        mail a@far.example
        rcpt b@here.example -> 550 5.7.1 Access denied
        rcpt postbox@here.example
        ",
    ),
    (
        "no hints, where none are to be given",
        "hints.give = false\n[[rates]]\nname = \"c\"\ncount = \"connections\"\nper = \"client\"\nlimit = \"60/h burst 1\"\n\
         [[rates]]\nname = \"r\"\ncount = \"messages\"\nper = \"recipient\"\nlimit = \"1/d\"\n",
        "
        client 192.0.2.1 a.example
        mail <>
        rcpt postmaster
        done
        mail <>
        rcpt postmaster -> 450 4.2.1 Too much mail for this recipient, try again later
        end
        mail a@far.example
        rcpt b@here.example -> wait
        end
        client 192.0.2.1 a.example -> 421 4.7.0 Too much mail from your network, try again later; at postfix-rcpt: nothing
        ",
    ),
    (
        "replies in the administrator's words",
        "[greylist]\ncode = 451\nstatus = \"4.7.1\"\ntext = \"Grau[, in {seconds} s]\"\n\
         [replies.recipient]\ncode = 452\nstatus = \"4.5.3\"\ntext = \"Zu viel[, in {seconds} s]\"\n\
         [replies.client]\ncode = 451\ntext = \"Langsam[, in {seconds} s]\"\n\
         [[rates]]\nname = \"c\"\ncount = \"connections\"\nper = \"client\"\nlimit = \"60/h burst 1\"\n\
         [[rates]]\nname = \"r\"\ncount = \"messages\"\nper = \"recipient\"\nlimit = \"60/h burst 1\"\n",
        "
        client 192.0.2.1 a.example
        mail <>
        rcpt postmaster
        done
        mail <>
        rcpt postmaster -> 452 4.5.3 TIME=60 Zu viel, in 60 s; at postfix: 450 4.5.3 TIME=60 Zu viel, in 60 s
        end
        mail a@far.example
        rcpt b@here.example -> 451 4.7.1 TIME=300 Grau, in 300 s; at postfix: 450 4.7.1 TIME=300 Grau, in 300 s
        end
        client 192.0.2.1 a.example -> 421 4.7.0 TIME=60 Langsam, in 60 s; at postfix-rcpt: nothing
        mail <> -> closed; at postfix-rcpt: nothing
        rcpt d@here.example -> closed; at postfix-rcpt: 451 4.7.0 TIME=60 Langsam, in 60 s
        ",
    ),
];
