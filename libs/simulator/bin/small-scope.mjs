#!/usr/bin/env node
import { importBundled } from './run-bundled.mjs';

// Its arguments are this process's; nx passes a `--` on, which says nothing here.
process.argv = process.argv.filter((argument) => argument !== '--');
await importBundled('libs/simulator/bin/explore.mjs');
