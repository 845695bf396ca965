//! The use cases over mocks: what they add to the ports, and what they must
//! not ask them.

#[cfg(test)]
mod events;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod reviews;
#[cfg(test)]
mod tasks;
#[cfg(test)]
mod workers;
