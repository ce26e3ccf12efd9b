//! The built-in server.

use super::script::{Answer, Door, Step, Told, told};
use crate::tests::through_smtp::Smtp;

impl Door for Smtp {
    fn name(&self) -> &'static str {
        "the SMTP server"
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

    fn take<'a>(&'a mut self, step: &'a Step) -> Answer<'a> {
        Box::pin(async move {
            match step {
                Step::Client { address, helo } => {
                    let [greeting, hello] = self.connect(address, helo).await;
                    let greeted = heard(&greeting);
                    if greeted == Told::Nothing {
                        heard(&hello)
                    } else {
                        greeted
                    }
                }
                Step::Login(_) => unreachable!("it is not offered"),
                Step::Mail(sender) => {
                    heard(&self.say(&format!("MAIL FROM:<{sender}> SMTPUTF8")).await)
                }
                Step::Recipient(recipient) => {
                    heard(&self.say(&format!("RCPT TO:<{recipient}>")).await)
                }
                Step::End => heard(&self.say("RSET").await),
                Step::Done => {
                    let reply = self.say("DATA").await;
                    assert!(reply.starts_with("354 "), "{reply}");
                    heard(&self.say("Subject: words\r\n\r\nwords\r\n.").await)
                }
            }
        })
    }
}

fn heard(reply: &str) -> Told {
    if reply.starts_with('2') {
        Told::Nothing
    } else {
        told(reply)
    }
}
