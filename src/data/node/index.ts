/** `wgrad/data` in Node: all of `index.ts`, and functions that read files and folders by path. */
export * from '../index';
// These replace index.ts's exports of the same names and also take paths.
export { readCifar10, readCifar100, readCsv, readIdx, readText } from './files';
export { readImageFolder, writePng } from './imageFolder';
