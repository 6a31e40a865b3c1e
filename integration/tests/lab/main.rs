//! Herald, and the lab itself, among real routers.
//!
//! The matrix: every case of `cases/` runs against every router. A router more is one file in
//! `integration/src` and one line here.

mod bad_input;
mod bridge;
mod cases;
mod demo;
mod fabric;
mod neighbours;
mod routers;
mod scene;

mod gobgp {
    crate::cases::every_case!(integration::gobgp::GoBgp);
}
mod bird {
    crate::cases::every_case!(integration::bird::Bird);
    mod fabric {
        crate::fabric::every_case!(integration::bird::Bird);
    }
}
mod frr {
    crate::cases::every_case!(integration::frr::Frr);
    mod fabric {
        crate::fabric::every_case!(integration::frr::Frr);
    }
}
