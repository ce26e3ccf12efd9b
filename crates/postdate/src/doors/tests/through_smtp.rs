//! The built-in server.

use std::sync::Arc;

use super::script::{Answer, Door, Step, content};
use super::told::Told;
use crate::judge::Judge;
use crate::tests::through_smtp::Smtp;

impl Door for Smtp {
    fn name(&self) -> &'static str {
        "smtp"
    }

    fn takes(&self, step: &Step) -> bool {
        !matches!(step, Step::Login(_))
    }

    fn marks_at_end(&self) -> bool {
        true
    }

    fn marks(&self) -> bool {
        false
    }

    fn judge(&self) -> &Arc<Judge> {
        self.judge()
    }

    fn take<'a>(&'a mut self, step: &'a Step) -> Answer<'a> {
        Box::pin(async move {
            match step {
                Step::Client { address, helo } => {
                    let told = heard(&self.connect(address).await);
                    if told.closes() {
                        assert_eq!(self.rest().await, "", "it is closed");
                        return told;
                    }
                    assert_eq!(told, Told::Nothing);
                    heard(&self.say(&format!("EHLO {helo}")).await)
                }
                Step::Login(_) => unreachable!("it is not offered"),
                Step::Mail(sender) => {
                    heard(&self.say(&format!("MAIL FROM:<{sender}> SMTPUTF8")).await)
                }
                Step::Recipient(recipient) => {
                    heard(&self.say(&format!("RCPT TO:<{recipient}>")).await)
                }
                Step::End => heard(&self.say("RSET").await),
                Step::Done(octets) => {
                    let reply = self.say("DATA").await;
                    assert!(reply.starts_with("354 "), "{reply}");
                    let (field, lines) = content(*octets);
                    let body = lines.join("\r\n");
                    heard(&self.say(&format!("{field}\r\n\r\n{body}\r\n.")).await)
                }
            }
        })
    }
}

fn heard(reply: &str) -> Told {
    if reply.starts_with('2') {
        Told::Nothing
    } else {
        Told::reply(reply)
    }
}
