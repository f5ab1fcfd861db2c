# Every stage installs with --ignore-scripts: the packages bring their binaries in their tarballs, and the one script that
# would fetch something is that of the package "node", which the image does not need. Do not use --omit=optional here:
# DuckDB's and Argon2's binaries are optional packages (one for each platform), and the program cannot start without them.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY nest-cli.json tsconfig.json tsconfig.build.json ./
COPY apps ./apps
COPY libs ./libs
RUN node node_modules/@nestjs/cli/bin/nest.js build

FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:24-bookworm-slim
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    DATA_DIR=/data \
    MALLOC_ARENA_MAX=2
WORKDIR /app
RUN mkdir /data && chown node:node /data
COPY package.json ./
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER node
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/health/ready`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# The worker is the same image with the command `node --enable-source-maps --max-semi-space-size=16 dist/apps/worker/src/main.js`.
CMD ["node", "--enable-source-maps", "--max-semi-space-size=16", "dist/apps/api/src/main.js"]
