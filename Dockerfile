# berth in a container. What it may reach is what the container has: so agents, such as `claude`, belong into an image of
# your own that begins with `FROM berth`. docs/connect.md says how to run it.

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The toolchain's file names the WebAssembly target; it is fetched before the sources, so that it stays in the cache.
COPY rust-toolchain.toml ./
RUN rustup target add wasm32-wasip2
COPY . .
RUN cargo build --release --locked --package berth

FROM debian:bookworm-slim
# tini ends what sessions leave behind; certificates are for the documents by which apps describe themselves.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates tini tmux \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home --shell /bin/bash berth \
    && install -d -o berth -g berth -m 0700 /var/lib/berth /var/cache/berth /home/berth/projects
COPY --from=build /src/target/release/berth /usr/local/bin/berth
USER berth
ENV HOME=/home/berth SHELL=/bin/bash LANG=C.UTF-8 XDG_DATA_HOME=/var/lib XDG_CACHE_HOME=/var/cache
WORKDIR /home/berth
VOLUME ["/var/lib/berth", "/home/berth/projects"]
EXPOSE 8787
ENTRYPOINT ["tini", "--", "berth"]
CMD ["serve", "--config", "/etc/berth/config.toml"]
