#!/usr/bin/env node
// Adds to package-lock.json each optional dependency (a binary for another platform) that npm left out
// when it wrote the file; without them `npm ci` refuses on those platforms. Run it after each install
// that changes the lockfile: node tools/bin/complete-lockfile.mjs [--check]
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { WORKSPACE } from './build-when-stale.mjs';

const file = join(WORKSPACE, 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));
const missing = [];

function isPresent(owner, name) {
  // Resolution walks up from the owner's own node_modules to the root's.
  for (let base = owner; ; base = base.slice(0, base.lastIndexOf('/node_modules/'))) {
    if (lock.packages[`${base === '' ? '' : `${base}/`}node_modules/${name}`]) return true;
    if (!base.includes('node_modules/')) return lock.packages[`node_modules/${name}`] !== undefined;
    if (base.lastIndexOf('/node_modules/') < 0) base = '';
  }
}

for (const [owner, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (!isPresent(owner, name)) missing.push({ name, version });
  }
}
if (process.argv.includes('--check')) {
  for (const { name, version } of missing)
    console.error(`missing from the lockfile: ${name}@${version}`);
  process.exit(missing.length === 0 ? 0 : 1);
}
const OS = /\b(android|darwin|freebsd|linux|openharmony|win32)\b/;
const CPU = /\b(arm64|arm|x64|ia32|ppc64|riscv64|s390x)\b/;

for (const { name, version } of missing) {
  // The name carries the platform, so that no registry has to be asked for packages of others.
  const os = OS.exec(name)?.[1];
  const cpu = CPU.exec(name)?.[1];
  if (os === undefined || cpu === undefined) throw new Error(`no platform in the name ${name}`);
  const libc = /musl/.test(name) ? ['musl'] : undefined;
  lock.packages[`node_modules/${name}`] = {
    version,
    optional: true,
    cpu: [cpu],
    ...(libc ? { libc } : {}),
    os: [os],
  };
  console.log(`added ${name}@${version}`);
}
const sorted = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)),
);
writeFileSync(file, `${JSON.stringify({ ...lock, packages: sorted }, null, 2)}\n`);
