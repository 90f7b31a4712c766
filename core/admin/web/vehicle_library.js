// Loads Leaflet, which fleetrouted serves from where Debian installs it; base.js loads Chart.js.
import { address, loadScript, make } from './base.js';

let leaflet = null;

function loadStyle(path) {
    return new Promise((resolve) => {
        const link = make('link', { rel: 'stylesheet', href: address(path), onload: () => resolve(true), onerror: () => resolve(false) });
        document.head.prepend(link); // the page's own styles have precedence
    });
}

async function load() {
    const loaded = await Promise.all([loadScript('lib/leaflet.js'), loadStyle('lib/leaflet.css')]);
    return (loaded.every(Boolean) && window.L) || null;
}

// Leaflet; null: it is not installed.
export function loadLeaflet() {
    leaflet = leaflet || load();
    return leaflet;
}

// Chart.js; null: it is not installed.
export const loadChart = async () => (await loadScript('lib/chart.js') && window.Chart) || null;

export const missingPackage = (what, name) => `${what}: install the package ${name} of Debian on the machine of ` +
    'fleetrouted, and restart fleetrouted.';
