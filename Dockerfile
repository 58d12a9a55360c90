# syntax=docker/dockerfile:1

# The image of Vestibule: the binary, the C library and the public certificate authorities; no shell.
#
#   docker build --tag vestibule:0.1.0 --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" .
#
# Tags move. For a build that can be repeated, look up the digests and give the images by them:
#
#   docker buildx imagetools inspect rust:1.95.0-slim-bookworm --format '{{.Manifest.Digest}}'
#   docker build --build-arg BUILD_IMAGE=rust:1.95.0-slim-bookworm@sha256:... \
#     --build-arg RUN_IMAGE=gcr.io/distroless/cc-debian12:nonroot@sha256:... .
#
# Both are Debian 12, so that the binary meets the C library that it was linked with.
ARG BUILD_IMAGE=rust:1.95.0-slim-bookworm
ARG RUN_IMAGE=gcr.io/distroless/cc-debian12:nonroot

# Rust and a C compiler are all that the build needs: no protoc, no cmake, no OpenSSL.
FROM ${BUILD_IMAGE} AS build
WORKDIR /build

# The dependencies, in a layer of their own, which stays until the lock file changes.
COPY Cargo.toml Cargo.lock ./
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    mkdir src \
    && touch src/lib.rs \
    && echo 'fn main() {}' > src/main.rs \
    && cp src/main.rs build.rs \
    && cargo build --release --locked --bin vestibule

COPY build.rs ./
COPY proto proto
COPY migrations migrations
COPY src src
# Files keep the times of the checkout, which may be older than the layer above.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    touch build.rs src/main.rs src/lib.rs \
    && cargo build --release --locked --bin vestibule

FROM ${RUN_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="vestibule" \
      org.opencontainers.image.description="Turns a verified identity into a member session of one organization" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /build/target/release/vestibule /usr/local/bin/vestibule
# A container that listens on its own loopback serves nobody. Without a callers file the program refuses these
# addresses and says so, which is better than a container that runs and can't be reached.
ENV VESTIBULE_LISTEN_ADDRESS=0.0.0.0:50051 \
    VESTIBULE_HTTP_ADDRESS=0.0.0.0:9464
# By number, so that Kubernetes can see that it is not root. It is `nonroot`, as in the base image; the embedded
# default keeps its data in the home directory, the only place where it may write.
USER 65532:65532
WORKDIR /home/nonroot
EXPOSE 50051 9464
# The first SIGTERM drains, the second ends it at once.
STOPSIGNAL SIGTERM
# No HEALTHCHECK: orchestrators have probes of their own, and `vestibule healthcheck` serves those that have none.
ENTRYPOINT ["/usr/local/bin/vestibule"]
