//! The state of a demonstration as a picture: a fold over its events, and its lines for a screen
//! of a given width. Pure.

use std::collections::{BTreeMap, VecDeque};

use bgp::fsm::StateName;
use ipnet::IpNet;

use super::event::{Event, Held, Timed, joined};
use super::table::{self, Cell, Style};

/// Lines of the log, at most.
const LOG: usize = 8;

/// What is known so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Picture {
    now_ms: u64,
    pools: Vec<[String; 3]>,
    services: BTreeMap<String, Service>,
    router: Option<(String, bool)>,
    session: Option<(String, StateName, Option<String>)>,
    routes: BTreeMap<IpNet, Held>,
    /// What happened last, oldest first.
    log: VecDeque<String>,
}

#[derive(Clone, Debug)]
struct Service {
    pool: String,
    addresses: String,
    usable: bool,
}

impl Picture {
    /// Takes in what happened.
    pub(super) fn apply(&mut self, timed: &Timed) {
        self.now_ms = timed.at_ms;
        match &timed.event {
            Event::Pool {
                name,
                addresses,
                auto_assign,
            } => {
                let how = if *auto_assign {
                    "automatic"
                } else {
                    "on request"
                };
                self.pools
                    .push([name.clone(), how.to_owned(), addresses.join(" ")]);
                return;
            }
            Event::Assigned {
                service,
                addresses,
                pool,
            } => {
                self.service(service, pool, joined(addresses));
                return;
            }
            Event::Unassigned { service, reason } => self.service(service, "-", reason.clone()),
            Event::Router {
                address,
                asn,
                embedded,
            } => {
                self.router = Some((format!("{address} AS {asn}"), *embedded));
                return;
            }
            Event::Session {
                peer,
                state,
                reason,
            } => {
                self.session = Some((peer.clone(), *state, reason.clone()));
            }
            Event::Endpoints { service, usable } => {
                if let Some(service) = self.services.get_mut(service) {
                    service.usable = *usable;
                }
            }
            Event::Announced(_) => {}
            Event::Withdrawn(change) => {
                self.routes.remove(&change.prefix);
            }
            Event::Route(held) => {
                self.routes.insert(held.prefix, held.clone());
                return;
            }
            Event::End { .. } => return,
        }
        self.log.push_back(timed.to_string());
        if self.log.len() > LOG {
            self.log.pop_front();
        }
    }

    /// Time passes without an event.
    pub(super) fn at(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    fn service(&mut self, name: &str, pool: &str, addresses: String) {
        let pool = pool.to_owned();
        let service = Service {
            pool,
            addresses,
            usable: true,
        };
        self.services.insert(name.to_owned(), service);
    }

    /// The lines, none wider than `width` columns, at most `rows` of them. Where all does not fit,
    /// blank lines and titles go first, then the older lines of what happened.
    pub(super) fn lines(&self, width: usize, rows: usize, style: Style) -> Vec<String> {
        let full = self.full(width, style);
        if full.len() <= rows {
            return full;
        }
        let mut lines = vec![style.bold(&table::clip(&self.one_line(), width))];
        lines.extend(self.pools(width, style));
        lines.extend(self.services(width, style));
        lines.extend(self.routes(width, style));
        let room = rows.saturating_sub(lines.len()).max(2);
        let log = self.log(width);
        lines.extend(log.into_iter().rev().take(room).rev());
        if lines.len() > rows {
            let keep = rows.saturating_sub(1);
            let hidden = lines.len() - keep;
            lines.truncate(keep);
            let hint = format!("{hidden} more lines: make the window higher");
            lines.push(table::clip(&hint, width));
        }
        lines.truncate(rows);
        lines
    }

    fn full(&self, width: usize, style: Style) -> Vec<String> {
        let seconds = self.now_ms / 1000;
        let title = |text: &str| vec![style.bold(&table::clip(text, width))];
        let happened = [title("WHAT HAPPENED"), self.log(width)].concat();
        let routes = [title(self.routes_title()), self.routes(width, style)].concat();
        let sections = [
            title(&format!("herald demo  {seconds} s")),
            self.pools(width, style),
            self.services(width, style),
            self.session(width, style),
            routes,
            happened,
        ];
        sections.join(&String::new())
    }

    /// The title and the session.
    fn one_line(&self) -> String {
        let seconds = self.now_ms / 1000;
        let router = self
            .router
            .as_ref()
            .map_or("", |(router, _)| router.as_str());
        match &self.session {
            Some((peer, state, _)) => {
                format!("herald demo  {seconds} s  PEER {peer} {router} {state}")
            }
            None => format!("herald demo  {seconds} s"),
        }
    }

    fn pools(&self, width: usize, style: Style) -> Vec<String> {
        let rows = self
            .pools
            .iter()
            .map(|row| row.each_ref().map(Cell::plain).to_vec());
        table::lines(&["POOL", "ASSIGNED", "ADDRESSES"], rows, width, style)
    }

    fn services(&self, width: usize, style: Style) -> Vec<String> {
        let header = ["SERVICE", "POOL", "ENDPOINTS", "ADDRESSES"];
        let rows = self.services.iter().map(|(name, service)| {
            let usable = match service.usable {
                true => Cell::good("usable"),
                false => Cell::bad("none"),
            };
            let [pool, addresses] = [&service.pool, &service.addresses].map(Cell::plain);
            vec![Cell::plain(name), pool, usable, addresses]
        });
        table::lines(&header, rows, width, style)
    }

    fn log(&self, width: usize) -> Vec<String> {
        self.log
            .iter()
            .flat_map(|line| table::hanging(line, 4, width))
            .collect()
    }

    fn session(&self, width: usize, style: Style) -> Vec<String> {
        let row = self.session.iter().map(|(peer, state, reason)| {
            let state = match state {
                StateName::Established => Cell::good(&state.to_string()),
                StateName::Idle
                | StateName::Active
                | StateName::Connect
                | StateName::OpenSent
                | StateName::OpenConfirm => Cell::bad(&state.to_string()),
            };
            let router = self
                .router
                .as_ref()
                .map_or("", |(router, _)| router.as_str());
            let reason = reason.as_deref().unwrap_or("");
            vec![
                Cell::plain(peer),
                Cell::plain(router),
                state,
                Cell::plain(reason),
            ]
        });
        table::lines(&["PEER", "ROUTER", "SESSION", ""], row, width, style)
    }

    fn routes_title(&self) -> &'static str {
        match self.router {
            Some((_, false)) => {
                "ROUTES AS WE SEND THEM (our Adj-RIB-Out; what your router holds, it knows)"
            }
            Some((_, true)) | None => "ROUTES AS THE ROUTER HOLDS THEM (its Adj-RIB-In)",
        }
    }

    fn routes(&self, width: usize, style: Style) -> Vec<String> {
        let number = |value: Option<u32>| value.map_or_else(|| "-".to_owned(), |v| v.to_string());
        let rows = self.routes.values().map(|held| {
            [
                held.prefix.to_string(),
                held.next_hop(),
                held.as_path(),
                number(held.med),
                number(held.local_pref),
                held.communities(),
            ]
            .each_ref()
            .map(Cell::plain)
            .to_vec()
        });
        let header = [
            "PREFIX",
            "NEXT HOP",
            "AS_PATH",
            "MED",
            "LOCAL_PREF",
            "COMMUNITIES",
        ];
        table::lines(&header, rows, width, style)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use bgp::Asn;
    use bgp::community::{Community, LargeCommunity};

    use super::*;
    use crate::demo::event::{Change, SeenAt};

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn net(text: &str) -> IpNet {
        text.parse().expect("a prefix")
    }

    fn change(prefix: &str, after_ms: Option<f64>) -> Change {
        let services = vec!["demo/shop".to_owned()];
        Change {
            prefix: net(prefix),
            services,
            seen_at: SeenAt::Router,
            after_ms,
        }
    }

    fn route(prefix: &str, next_hop: &str) -> Event {
        Event::Route(Held {
            prefix: net(prefix),
            next_hop: Some(ip(next_hop)),
            as_path: Asn::new(64512).into_iter().collect(),
            communities: vec![Community::new(64512, 100)],
            large_communities: vec![LargeCommunity {
                global_administrator: 64512,
                local_data_1: 1,
                local_data_2: 20,
            }],
            med: Some(50),
            local_pref: None,
        })
    }

    /// A demonstration in which one endpoint is gone.
    fn events() -> Vec<Event> {
        let pool = Event::Pool {
            name: "public".into(),
            addresses: vec!["203.0.113.0/28".into(), "2001:db8:cafe::/112".into()],
            auto_assign: true,
        };
        let assigned = |service: &str, address: &str| Event::Assigned {
            service: service.into(),
            addresses: vec![ip(address)],
            pool: "public".into(),
        };
        let session = |state| Event::Session {
            peer: "router".into(),
            state,
            reason: None,
        };
        let address = ([127, 0, 0, 1], 35_825).into();
        vec![
            pool,
            assigned("demo/api", "2001:db8:cafe::"),
            assigned("demo/shop", "203.0.113.1"),
            Event::Router {
                address,
                asn: 64513,
                embedded: true,
            },
            session(StateName::Idle),
            session(StateName::Established),
            Event::Announced(change("203.0.113.1/32", None)),
            route("203.0.113.1/32", "192.0.2.1"),
            route("2001:db8:cafe::/128", "2001:db8::1"),
            Event::Endpoints {
                service: "demo/shop".into(),
                usable: false,
            },
            Event::Withdrawn(change("203.0.113.1/32", Some(1.25))),
        ]
    }

    fn picture() -> Picture {
        let mut picture = Picture::default();
        for (event, at_ms) in events().into_iter().zip((0..).step_by(100)) {
            picture.apply(&Timed { event, at_ms });
        }
        picture.at(2_000);
        picture
    }

    #[test]
    fn a_screen_shows_pools_services_session_routes_and_what_happened() {
        let expected = "\
herald demo  2 s

POOL    ASSIGNED   ADDRESSES
public  automatic  203.0.113.0/28 2001:db8:cafe::/112

SERVICE    POOL    ENDPOINTS  ADDRESSES
demo/api   public  usable     2001:db8:cafe::
demo/shop  public  none       203.0.113.1

PEER    ROUTER                    SESSION
router  127.0.0.1:35825 AS 64513  Established

ROUTES AS THE ROUTER HOLDS THEM (its Adj-RIB-In)
PREFIX               NEXT HOP     AS_PATH  MED  LOCAL_PREF  COMMUNITIES
2001:db8:cafe::/128  2001:db8::1  64512    50   -           64512:100
                                                            large:64512:1:20

WHAT HAPPENED
   0.400  session    router: Idle
   0.500  session    router: Established
   0.600  announced  203.0.113.1/32 (demo/shop) at the router
   0.900  endpoints  demo/shop: its endpoint is gone
   1.000  withdrawn  203.0.113.1/32 (demo/shop) at the router 1.2 ms later";
        assert_eq!(picture().lines(80, 50, Style::Plain).join("\n"), expected);
    }

    #[test]
    fn a_low_window_keeps_the_tables_and_what_happened_last() {
        let expected = "\
herald demo  2 s  PEER router 127.0.0.1:35825 AS 64513 Established
POOL    ASSIGNED   ADDRESSES
public  automatic  203.0.113.0/28 2001:db8:cafe::/112
SERVICE    POOL    ENDPOINTS  ADDRESSES
demo/api   public  usable     2001:db8:cafe::
demo/shop  public  none       203.0.113.1
PREFIX               NEXT HOP     AS_PATH  MED  LOCAL_PREF  COMMUNITIES
2001:db8:cafe::/128  2001:db8::1  64512    50   -           64512:100
                                                            large:64512:1:20
   0.900  endpoints  demo/shop: its endpoint is gone
   1.000  withdrawn  203.0.113.1/32 (demo/shop) at the router 1.2 ms later";
        assert_eq!(picture().lines(80, 11, Style::Plain).join("\n"), expected);
    }

    #[test]
    fn no_window_is_too_small() {
        let picture = picture();
        for width in 0..90 {
            for rows in 0..40 {
                let lines = picture.lines(width, rows, Style::Plain);
                assert!(lines.len() <= rows, "{width}x{rows}");
                let widest = lines.iter().map(|line| line.chars().count()).max();
                assert!(widest.unwrap_or(0) <= width, "{width}x{rows}: {lines:?}");
            }
        }
        let lines = picture.lines(80, 5, Style::Plain);
        let hint = "7 more lines: make the window higher".to_owned();
        assert_eq!(lines.last(), Some(&hint));
    }

    #[test]
    fn the_log_is_bounded() {
        let mut picture = Picture::default();
        for at_ms in 0..1_000 {
            let event = Event::Withdrawn(change("203.0.113.1/32", None));
            picture.apply(&Timed { event, at_ms });
        }
        assert_eq!(picture.log.len(), LOG);
    }
}
