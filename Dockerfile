# syntax=docker/dockerfile:1

# One image for every process: the first word after its name says which (deploy/entrypoint.sh).
#
#   docker build --tag curfew:0.1.0 --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" .

ARG NODE_VERSION=24.21.0

# What runs is JavaScript and one WebAssembly module: built where the build runs, the same for every platform.
FROM --platform=$BUILDPLATFORM node:${NODE_VERSION}-trixie-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# Without install scripts: they fetch what only `npm start` needs, a Node and a PostgreSQL.
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts
COPY nest-cli.json tsconfig.json ./
COPY apps apps
COPY libs libs
RUN node node_modules/@nestjs/cli/bin/nest.js build --all --parallel 2 \
  && for app in api worker timekeeper migrate cli; do test -s "dist/apps/$app/main.js" || exit 1; done

FROM --platform=$BUILDPLATFORM node:${NODE_VERSION}-trixie-slim AS dependencies
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# A module of machine code would tie the image to the platform of the build.
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --omit=optional --ignore-scripts \
  && test -z "$(find node_modules -name '*.node' -print -quit)"

FROM node:${NODE_VERSION}-trixie-slim
# Nothing is installed in a running container, and its user is nobody on the host.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn* /opt/yarn-* \
  && groupadd --gid 10001 curfew \
  && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin curfew \
  # The command line keeps its sign-in here, whatever its user: a volume takes over these rights.
  && install --directory --mode 1777 /state
WORKDIR /app
COPY package.json ./
COPY --from=dependencies /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY migrations migrations
COPY scripts/source-maps.mjs scripts/source-maps.mjs
COPY --chmod=755 deploy/entrypoint.sh deploy/entrypoint.sh

# Each process has a container of its own, and so the same port. Whose policies these are the image does not know: they
# are mounted at /app/policies.
ENV NODE_ENV=production \
    CURFEW_ENV=production \
    HOST=0.0.0.0 \
    PORT=7420 \
    XDG_STATE_HOME=/state
EXPOSE 7420
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --start-interval=1s --retries=3 \
  CMD ["node", "--eval", "require(process.env.TLS_CERT_FILE ? 'https' : 'http').get({ host: '127.0.0.1', port: process.env.PORT, path: '/healthz', rejectUnauthorized: false }, (reply) => process.exit(reply.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
ENTRYPOINT ["/app/deploy/entrypoint.sh"]

# Last, so that another version or commit changes no layer.
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Curfew" \
      org.opencontainers.image.description="Just-in-time, time-boxed privileged access that takes itself away and proves it." \
      org.opencontainers.image.vendor="Curfew" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
