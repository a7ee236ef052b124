#!/usr/bin/env node
import { buildWhenStale } from '../../../tools/bin/build-when-stale.mjs';

buildWhenStale();
const { plantedCommand } = await import('../dist/planted/planted-command.js');
process.exitCode = await plantedCommand();
