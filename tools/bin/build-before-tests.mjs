import { buildWhenStale } from './build-when-stale.mjs';

/** Vitest's global set-up of the end-to-end tests: they start processes from the build. */
export function setup() {
  buildWhenStale();
}
