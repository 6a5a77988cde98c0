#!/usr/bin/env node
/**
 * The large proofs of wgrad/distributed, for a machine with Open MPI or MPICH: `npm run test:distributed -- [collectives] [mnist] [kills] [bytes]`.
 *
 * collectives  200 random programs on 2 and 3 ranks of each MPI
 * mnist        1, 2 and 4 ranks train the CNN of examples/mnist for 50 steps with a global batch of 64
 * kills        a rank is killed at 20 moments; each job ends, and the next goes on to the bits of an undisturbed run
 * bytes        losses and bytes of compressed gradients
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as esbuild from 'esbuild';
import { forNode, root, withSources } from '../../build.mjs';

process.chdir(root);
mkdirSync('dist', { recursive: true });
const folder = mkdtempSync(join(root, 'dist/distributed-'));
const outfile = join(folder, 'proofs.mjs');
await esbuild.build({ ...forNode, alias: withSources('node'), entryPoints: ['test/distributed/proofs.ts'], outfile });
const { status } = spawnSync(process.execPath, [outfile, folder, ...process.argv.slice(2)], { stdio: 'inherit' });
rmSync(folder, { recursive: true, force: true });
process.exitCode = status ?? 1;
