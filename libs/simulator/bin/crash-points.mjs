#!/usr/bin/env node
import { importBundled } from './run-bundled.mjs';

const { crashPointsMain } = await importBundled('libs/simulator/src/disk/crash-points-command.ts');
process.exitCode = crashPointsMain(process.argv.slice(2));
