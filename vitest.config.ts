import { defineConfig } from 'vitest/config';

// Tests run on the sources of every library (the `source` export condition), so no build is needed
// before them and none can be stale. End-to-end tests start real processes from the build; they run
// after the others and one after the other, so that nothing competes with what they watch.
const conditions = ['source', 'node', 'import', 'module', 'default'];
const resolve = { conditions };
const ssr = { resolve: { conditions } };

export default defineConfig({
  test: {
    projects: [
      {
        resolve,
        ssr,
        test: {
          name: 'unit',
          pool: 'threads',
          include: ['{libs,apps}/*/src/**/*.test.ts', 'tools/src/**/*.test.ts'],
          testTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        resolve,
        ssr,
        test: {
          name: 'e2e',
          pool: 'forks',
          include: ['{libs,apps}/*/src/**/*.e2e.ts'],
          globalSetup: ['tools/bin/build-before-tests.mjs'],
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
