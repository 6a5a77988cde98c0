/** `wgrad/data` in Node: all of `index.ts`, and what reads files and folders by their path. */
export * from './index';
// These stand in the place of those that index.ts exports under the same names: they take paths too.
export { readCifar10, readCifar100, readCsv, readIdx, readText } from './node/files';
export { readImageFolder, writePng } from './node/imageFolder';
