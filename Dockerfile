# syntax=docker/dockerfile:1

# loadgen in an image without a shell, run by a user without rights.
#
#     docker build -t loadgen .
#     docker run --rm loadgen                                       # the quickstart, on simulated servers
#     docker run --rm -p 9980:9980 -v "$PWD/my.toml:/home/nonroot/my.toml:ro" loadgen run my.toml
#
# The run folder is in /home/nonroot/runs where a configuration says out = "runs/…": to keep it, mount a folder there that
# user 65532 may write to, or say --user. For Prometheus, [http] listen has to be "0.0.0.0:9980" in a container.
# SIGTERM stops offering calls and lets those that are up end: give `docker stop -t`, and Kubernetes'
# terminationGracePeriodSeconds, some seconds more than the configuration's grace, which is 30 s unless it says otherwise.

# The C library of the image that builds must not be newer than that of the image that runs: both are Debian 13's.
ARG RUST_VERSION=1.95

FROM rust:${RUST_VERSION}-slim-trixie AS chef
# cargo-chef builds the dependencies from the manifests alone, so that their layer is made again only when those change.
# Copying the manifests by hand would do the same until somebody adds a crate, a benchmark or a build script.
RUN cargo install cargo-chef --version 0.1.78 --locked
WORKDIR /src

FROM chef AS recipe
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS build
COPY --from=recipe /src/recipe.json .
RUN cargo chef cook --locked --profile dist --package loadgen --recipe-path recipe.json
COPY . .
RUN cargo build --locked --profile dist --package loadgen

FROM gcr.io/distroless/cc-debian13:nonroot
COPY --from=build /src/target/dist/loadgen /usr/local/bin/loadgen
WORKDIR /home/nonroot
COPY configs configs
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 9980
STOPSIGNAL SIGTERM
ENTRYPOINT ["loadgen"]
CMD ["run", "configs/quickstart.toml"]
