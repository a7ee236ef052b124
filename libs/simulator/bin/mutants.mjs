#!/usr/bin/env node
import { WORKSPACE } from './bundle.mjs';
import { importBundled } from './run-bundled.mjs';

const { mutantsMain } = await importBundled('libs/simulator/src/mutants/mutants-command.ts');
process.exitCode = await mutantsMain(WORKSPACE, process.argv.slice(2));
