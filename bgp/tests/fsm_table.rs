//! Every state of RFC 4271 §8.2.2 against every event of §8.1, in one table.
//!
//! A cell is the next state, then what is sent and asked for, in order. Events 12 and 20 need
//! DelayOpen and 14 and 15 a TCP that asks before it accepts: this machine has neither.

mod common;

use std::time::{Duration, Instant};

use bgp::fsm::{Environment, Fsm, Input, Output};
use bgp::message::open::Open;
use bgp::peer::retry::Retry;
use bgp::peer::{LocalAddresses, StopReason};
use bgp::{ConnId, HoldTime, Message, Notification, PeerConfig};
use common::{asn, config};

/// Event, input, then Idle, Connect, Active, OpenSent, OpenConfirm, Established.
type Row = (&'static str, Input, [&'static str; 6]);

fn table() -> Vec<Row> {
    let mut rows = administrative();
    rows.extend(timers());
    rows.extend(connections());
    rows.extend(messages());
    rows
}

#[rustfmt::skip]
fn administrative() -> Vec<Row> {
    let shutdown = StopReason::AdministrativeShutdown(String::new());
    let reset = StopReason::AdministrativeReset(String::new());
    vec![
        ("1, 3 to 7 start", Input::Start,
            ["Connect connect", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"]),
        ("2 ManualStop", Input::Stop(shutdown),
            ["Idle", "Idle cancel down", "Idle down", "Idle 6/2 close down", "Idle 6/2 close down", "Idle 6/2 close down"]),
        ("2 ManualStop, silent", Input::Stop(StopReason::Restart),
            ["Idle", "Idle cancel down", "Idle down", "Idle close down", "Idle close down", "Idle close down"]),
        ("8 AutomaticStop, reset", Input::Stop(reset),
            ["Idle", "Idle+hold cancel down", "Idle+hold down", "Idle+hold 6/4 close down", "Idle+hold 6/4 close down", "Idle+hold 6/4 close down"]),
        ("8 AutomaticStop", Input::AutomaticStop(Notification::BFD_DOWN),
            ["Idle", "Idle+hold cancel", "Idle+hold", "Idle+hold 6/10 close down", "Idle+hold 6/10 close down", "Idle+hold 6/10 close down"]),
    ]
}

#[rustfmt::skip]
fn timers() -> Vec<Row> {
    vec![
        ("9 ConnectRetryTimer_Expires", Input::ConnectRetryTimerExpires,
            ["Idle", "Connect cancel connect", "Connect connect", "Idle+hold 5/0 close down", "Idle+hold 5/0 close down", "Idle+hold 5/0 close down"]),
        ("10 HoldTimer_Expires", Input::HoldTimerExpires,
            ["Idle", "Idle+hold cancel", "Idle+hold", "Idle+hold 4/0 close down", "Idle+hold 4/0 close down", "Idle+hold 4/0 close down"]),
        ("11 KeepaliveTimer_Expires", Input::KeepaliveTimerExpires,
            ["Idle", "Idle+hold cancel", "Idle+hold", "Idle+hold 5/0 close down", "OpenConfirm KEEPALIVE", "Established KEEPALIVE"]),
        ("13 IdleHoldTimer_Expires", Input::IdleHoldTimerExpires,
            ["Connect connect", "Idle+hold cancel", "Idle+hold", "Idle+hold 5/0 close down", "Idle+hold 5/0 close down", "Idle+hold 5/0 close down"]),
        ("29 SendHoldTimer_Expires", Input::SendHoldTimerExpires,
            ["Idle", "Idle+hold cancel", "Idle+hold", "Idle+hold 8/0 close down", "Idle+hold 8/0 close down", "Idle+hold 8/0 close down"]),
    ]
}

#[rustfmt::skip]
fn connections() -> Vec<Row> {
    vec![
        ("16, 17 TCP stands", Input::TcpConnected(ConnId(9)),
            ["Idle", "OpenSent OPEN", "OpenSent OPEN", "Idle+hold 5/0 close down", "Idle+hold 5/0 close down", "Idle+hold 5/0 close down"]),
        ("18 TcpConnectionFails", Input::TcpFails("reset".to_owned()),
            ["Idle", "Active down", "Idle+hold", "Active down", "Idle+hold down", "Idle+hold down"]),
        ("23 OpenCollisionDump", Input::CollisionDump,
            ["Idle", "Idle cancel", "Idle", "Idle 6/7 close", "Idle 6/7 close", "Idle 6/7 close down"]),
    ]
}

#[rustfmt::skip]
fn messages() -> Vec<Row> {
    vec![
        ("19 BGPOpen", Input::Open(Box::new(open(65002))),
            ["Idle", "Idle+hold cancel", "Idle+hold", "OpenConfirm KEEPALIVE", "Idle+hold 5/2 close down", "Idle+hold 5/3 close down"]),
        ("22 BGPOpenMsgErr, wrong AS", Input::Open(Box::new(open(65003))),
            ["Idle", "Idle+hold cancel", "Idle+hold", "Idle+hold 2/2 close down", "Idle+hold 5/2 close down", "Idle+hold 5/3 close down"]),
        ("21 BGPHeaderErr", Input::MessageError(Notification::BAD_MESSAGE_LENGTH),
            ["Idle", "Idle+hold cancel", "Idle+hold", "Idle+hold 1/2 close down", "Idle+hold 1/2 close down", "Idle+hold 1/2 close down"]),
        ("28 UpdateMsgErr", Input::MessageError(Notification::MALFORMED_ATTRIBUTE_LIST),
            ["Idle", "Idle+hold cancel", "Idle+hold", "Idle+hold 3/1 close down", "Idle+hold 3/1 close down", "Idle+hold 3/1 close down"]),
        ("24 NotifMsgVerErr", Input::Notification(Notification::UNSUPPORTED_VERSION_NUMBER),
            ["Idle", "Idle+hold cancel", "Idle+hold", "Idle+hold close down", "Idle+hold close down", "Idle+hold close down"]),
        ("25 NotifMsg", Input::Notification(Notification::CEASE),
            ["Idle", "Idle+hold cancel", "Idle+hold", "Idle+hold close down", "Idle+hold close down", "Idle+hold close down"]),
        ("26 KeepAliveMsg", Input::Keepalive,
            ["Idle", "Idle+hold cancel", "Idle+hold", "Idle+hold 5/1 close down", "Established up", "Established"]),
        ("27 UpdateMsg", Input::Update,
            ["Idle", "Idle+hold cancel", "Idle+hold", "Idle+hold 5/1 close down", "Idle+hold 5/2 close down", "Established"]),
        ("ROUTE-REFRESH", Input::RouteRefresh,
            ["Idle", "Idle+hold cancel", "Idle+hold", "Idle+hold 5/1 close down", "Idle+hold 5/2 close down", "Established"]),
    ]
}

/// The inputs that lead to each state, in the order of the columns.
fn ways() -> [Vec<Input>; 6] {
    let mut way = Vec::new();
    let mut after = |input| {
        way.push(input);
        way.clone()
    };
    let connect = after(Input::Start);
    let open_sent = after(Input::TcpConnected(ConnId(1)));
    let open_confirm = after(Input::Open(Box::new(open(65002))));
    let established = after(Input::Keepalive);
    let active = vec![Input::Start, Input::TcpFails("refused".to_owned())];
    [
        vec![],
        connect,
        active,
        open_sent,
        open_confirm,
        established,
    ]
}

#[test]
fn every_state_meets_every_event() {
    let mut wrong = Vec::new();
    for (event, input, cells) in table() {
        for (way, expected) in ways().into_iter().zip(cells) {
            let mut machine = Machine::new(config(65001, 65002, 1));
            for step in way {
                machine.handle(step);
            }
            let from = machine.fsm.name();
            let got = machine.handle(input.clone());
            if got != expected {
                wrong.push(format!("{event} in {from}: {got:?}, not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_begins_in_each_of_the_six_states() {
    let names = ways().map(|way| {
        let mut machine = Machine::new(config(65001, 65002, 1));
        for step in way {
            machine.handle(step);
        }
        machine.fsm.name().to_string()
    });
    let expected = [
        "Idle",
        "Connect",
        "Active",
        "OpenSent",
        "OpenConfirm",
        "Established",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_passive_machine_starts_in_active_and_never_connects() {
    let mut config = config(65001, 65002, 1);
    config.passive = true;
    let mut machine = Machine::new(config);
    assert_eq!(machine.handle(Input::Start), "Active");
    assert_eq!(machine.fsm.poll_timeout(), None);
}

#[test]
fn before_an_open_the_hold_timer_is_large() {
    let mut machine = Machine::new(config(65001, 65002, 1));
    machine.handle(Input::Start);
    machine.handle(Input::TcpConnected(ConnId(1)));
    let at = machine.fsm.poll_timeout().map(|(at, _)| at - machine.now);
    assert_eq!(at, Some(Duration::from_secs(240)));
}

struct Machine {
    fsm: Fsm,
    config: PeerConfig,
    retry: Retry,
    next_conn: ConnId,
    now: Instant,
}

impl Machine {
    fn new(config: PeerConfig) -> Machine {
        Machine {
            fsm: Fsm::new(),
            retry: Retry::new(config.connect_retry_time, 1),
            config,
            next_conn: ConnId(1),
            now: common::now(),
        }
    }

    fn handle(&mut self, input: Input) -> String {
        let mut outputs = Vec::new();
        let mut environment = Environment {
            config: &self.config,
            open: &open(65001),
            retry: &mut self.retry,
            next_conn: &mut self.next_conn,
            local: LocalAddresses::default(),
            outputs: &mut outputs,
        };
        self.fsm.handle(self.now, input, &mut environment);
        let held =
            self.fsm.name() == bgp::fsm::StateName::Idle && self.fsm.poll_timeout().is_some();
        let mut cell = self.fsm.name().to_string();
        cell.push_str(if held { "+hold" } else { "" });
        for output in outputs {
            cell.push(' ');
            cell.push_str(&text(&output));
        }
        cell
    }
}

fn text(output: &Output) -> String {
    match output {
        Output::Connect(_) => "connect".to_owned(),
        Output::CancelConnect(_) => "cancel".to_owned(),
        Output::Close(_) => "close".to_owned(),
        Output::Up => "up".to_owned(),
        Output::Down(_) => "down".to_owned(),
        Output::Send(_, message) => match &**message {
            Message::Notification(sent) => format!("{}/{}", sent.code, sent.subcode),
            message @ (Message::Open(_)
            | Message::Update(_)
            | Message::Keepalive
            | Message::RouteRefresh(_)) => message.type_name().to_owned(),
        },
    }
}

fn open(number: u32) -> Open {
    Open {
        my_as: asn(number).as_two_octets(),
        hold_time: HoldTime::DEFAULT,
        identifier: config(number, 1, u8::try_from(number - 65_000).unwrap_or(9)).identifier,
        capabilities: Vec::new(),
    }
}
