/** Gives a Node program a WebGPU adapter on machines without a graphics driver: `node --import ./adapters/ensure.mjs PROGRAM`. */
import { ensureAdapter } from './driver.mjs';

await ensureAdapter();
