/** `wgrad/train`: fitting, evaluating and predicting. In Node, `node.ts` adds files, folders and the terminal. */
export {};
