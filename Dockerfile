# To pin it: --build-arg NODE_IMAGE=node:24-bookworm-slim@sha256:… (docs/how-to/image.md).
ARG NODE_IMAGE=node:24-bookworm-slim
FROM ${NODE_IMAGE} AS base
WORKDIR /app


# The dependencies of production, alone. vendor/ first: package-lock.json points into it, and .npmrc has it copied, not linked.
FROM base AS modules
COPY package.json package-lock.json .npmrc ./
COPY vendor vendor
RUN npm ci --omit=dev --ignore-scripts


# The service and its health check, bundled from what they import; not the development issuer, which the service loads by its place.
FROM modules AS build
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY tools/build.mjs tools/bundle.mjs tools/output.mjs tools/transpile.mjs tools/
COPY src src
COPY plugins plugins
COPY routes routes
RUN node tools/build.mjs --image


FROM base
# What inventories and registries show; --build-arg VERSION=… REVISION=… CREATED=… SOURCE=…
ARG NODE_IMAGE
ARG VERSION=''
ARG REVISION=''
ARG CREATED=''
ARG SOURCE=''
LABEL org.opencontainers.image.title="scopegate" \
      org.opencontainers.image.description="A Fastify service whose routes require OAuth 2.0 access tokens of a Keycloak realm" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="${NODE_IMAGE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"

# Node alone: no package manager, no headers, no entry script.
RUN rm -rf /usr/local/lib/node_modules /usr/local/include/node /usr/local/bin/npm /usr/local/bin/npx \
    /usr/local/bin/corepack /usr/local/bin/yarn /usr/local/bin/yarnpkg /usr/local/bin/docker-entrypoint.sh /opt/yarn-*

COPY --chmod=0644 package.json ./
COPY --from=modules /app/node_modules node_modules
COPY --from=build /app/dist dist

# No default for ISSUER and AUDIENCE: without them the service says so and does not start.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=50100
EXPOSE 50100
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532

# Alive, not ready: an issuer that is down is no reason to restart this container.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "--permission", "--allow-fs-read=/app", "/app/dist/src/cli/healthcheck.js"]

# Node's permission model: it may read its own folder and use the network; no writing, no programs, workers or addons.
# From Node 25 on the network must be allowed too: --allow-net.
# Source maps, so that a stack in the log names the line of the source; the sources themselves are not in the image.
ENTRYPOINT ["node", "--permission", "--allow-fs-read=/app", "--enable-source-maps", "/app/dist/src/server.js"]
