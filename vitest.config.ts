import { defineConfig } from 'vitest/config';

// Tests run on the sources of every library (the `source` export condition), so no build is needed
// before them and none can be stale.
const conditions = ['source', 'node', 'import', 'module', 'default'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    pool: 'threads',
    include: ['{libs,apps}/*/src/**/*.test.ts', 'tools/src/**/*.test.ts'],
    testTimeout: 60_000,
  },
});
