#!/usr/bin/env node
import { buildWhenStale } from '../../../tools/bin/build-when-stale.mjs';

buildWhenStale();
const { plantedExample } = await import('../dist/planted/planted-example.js');
process.exitCode = await plantedExample(process.argv.slice(2));
