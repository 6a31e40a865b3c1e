//! What must be so with every router.

pub mod cease;
pub mod recording;
pub mod refused;
pub mod restarts;
pub mod routes;
pub mod sessions;
pub mod transport;

/// A test of each case, for one router. A case that is not listed is dead code, and the compiler
/// says so.
macro_rules! every_case {
    ($router:ty) => {
        crate::cases::every_case! { $router;
            cease: [
                a_shutdown_by_the_router_is_shown_with_its_text,
                a_reset_by_the_router_is_shown_and_the_session_comes_back,
                a_router_that_removes_us_is_shown_as_such,
                the_prefix_limit_of_the_router_is_shown,
                the_router_is_told_when_we_shut_down,
                the_router_is_told_when_it_is_no_longer_configured,
                the_router_is_told_when_a_new_configuration_needs_a_new_session,
            ]
            recording: [
                a_recorded_session_replays_to_what_the_router_was_told_and_why_it_ended,
            ]
            refused: [
                a_wrong_password_is_shown_and_a_right_one_repairs_it,
                a_wrong_as_of_the_router_is_shown_and_makes_no_tight_loop,
                a_router_that_expects_another_as_is_shown_and_makes_no_tight_loop,
                a_router_that_is_not_there_is_shown_and_makes_no_tight_loop,
            ]
            restarts: [
                routes_come_back_after_a_restart_of_the_router,
                routes_come_back_after_a_restart_of_herald,
                routes_go_when_herald_is_killed_and_come_back_with_it,
                routes_go_by_the_hold_time_when_herald_freezes,
                a_router_that_freezes_is_left_by_the_hold_time,
                routes_survive_a_graceful_restart,
            ]
            routes: [
                ebgp_holds_exactly_the_announced_ipv4_routes,
                ebgp_holds_exactly_the_announced_ipv6_routes,
                ebgp_holds_every_attribute_as_configured,
                ibgp_holds_local_pref_and_an_empty_as_path,
                ibgp_over_ipv6_holds_local_pref_and_an_empty_as_path,
                four_octet_ases_are_held_whole,
                a_four_octet_as_peers_with_a_two_octet_one,
                both_families_go_over_one_session,
                both_families_go_over_one_session_over_ipv6,
                each_family_goes_over_its_own_session,
                addresses_are_aggregated_to_one_prefix,
                two_advertisements_of_one_address_join_their_communities,
                a_service_without_endpoints_is_withdrawn_and_comes_back,
                a_deleted_service_is_withdrawn,
                a_changed_advertisement_is_announced_anew,
                ten_thousand_prefixes_are_held,
                a_soft_reset_is_answered_with_every_route,
                the_session_holds_whatever_the_router_announces,
            ]
            sessions: [
                a_router_that_only_listens_is_connected_to,
                herald_listens_where_it_must_not_connect,
                two_connections_at_once_become_one,
                the_router_is_told_a_changed_identifier_and_hold_time,
                a_dynamic_as_number_takes_those_that_it_says_and_no_other,
            ]
            transport: [
                a_right_password_lets_routes_through,
                ttl_security_on_both_sides_lets_routes_through,
                ttl_security_keeps_out_a_router_with_a_low_ttl,
                the_source_address_is_the_one_configured,
                link_local_addresses_peer,
                a_router_two_hops_away_is_reached,
            ]
        }
    };
    ($router:ty; $($module:ident: [$($case:ident,)*])*) => {
        $(mod $module {
            $(#[test]
            fn $case() {
                crate::cases::$module::$case::<$router>();
            })*
        })*
    };
}
pub(crate) use every_case;
