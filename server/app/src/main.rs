//! The Cairnlog binary: command line, configuration, HTTP API and access control.
//!
//! Reading order: [`cli`] takes the command; [`server`] is what `serve` and `demo` run, made of
//! [`config`], [`state`], [`access`] and [`http`]; every other command is a client over HTTP.

mod access;
mod auditor;
mod background;
mod backup;
mod chores;
mod cli;
mod config;
mod cosigning;
mod demo;
mod first_start;
mod http;
mod limits;
mod recording;
mod server;
mod state;
mod sweeper;
mod witness;

fn main() -> std::process::ExitCode {
    cli::run()
}
