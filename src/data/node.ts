/** `wgrad/data` in Node: all of `index.ts`, and what reads files and folders by their path. */
export * from './index';
