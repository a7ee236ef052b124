import { defineConfig } from 'vitest/config';

// End-to-end tests alone, as the target `e2e` of a project runs them: real processes from the build,
// one file after the other, so that nothing competes with what they watch.
const conditions = ['source', 'node', 'import', 'module', 'default'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    pool: 'forks',
    include: ['{libs,apps}/*/src/**/*.e2e.ts'],
    globalSetup: ['tools/bin/build-before-tests.mjs'],
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
