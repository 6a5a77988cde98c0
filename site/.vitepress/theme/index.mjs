/** VitePress' own theme with the system's fonts, and the training run of the start page. */
import DefaultTheme from 'vitepress/theme-without-fonts';
import LiveRun from './LiveRun.vue';
import './style.css';

export default {
	extends: DefaultTheme,
	enhanceApp(/** @type {import('vitepress').EnhanceAppContext} */ { app }) {
		app.component('LiveRun', LiveRun);
	},
};
