#!/usr/bin/env node
import { buildWhenStale, WORKSPACE } from './build-when-stale.mjs';

buildWhenStale();
const { runRules } = await import('../dist/rules-command.js');
process.exitCode = runRules(WORKSPACE, process.argv.slice(2));
