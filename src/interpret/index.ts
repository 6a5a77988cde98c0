/**
 * `wgrad/interpret`: what a model's prediction depends on. Each function computes once what captum's class of that name attributes, with
 * captum's options in camel case. The model runs in inference mode, and is as before when the function returns: modes, hooks, gradients.
 */
export { type AttentionMap, attentionMaps } from './attention';
export { guidedBackprop, inputXGradient, type SaliencyOptions, saliency } from './gradients';
export {
	type IntegratedGradientsOptions,
	integratedGradients,
	layerIntegratedGradients,
	type PathMethod,
	type WithDelta,
} from './integrated';
export {
	activations,
	type GradCamOptions,
	gradCam,
	guidedGradCam,
	type LayerName,
	layerGradientXActivation,
} from './layers';
export type { AttributionOptions, Baseline, Inputs, Interpretable, Target } from './model';
export { type NoiseOptions, noiseTunnel, type SmoothGradOptions, smoothGrad } from './noise';
export { type OcclusionOptions, occlusion } from './occlusion';
