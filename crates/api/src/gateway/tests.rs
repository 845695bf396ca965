//! The gateway, route by route, over mocked ports.
