/* The map of a city's projects: Leaflet over our own outlines, without a tile server. */
const place = document.getElementById("map");
const style = getComputedStyle(document.documentElement);
const colour = (name) => style.getPropertyValue(name).trim();

const answer = await fetch(place.dataset.points);
if (answer.ok) {
  const found = await answer.json();
  const { L } = globalThis;
  place.hidden = false;
  document.getElementById("drawn").hidden = true;
  const map = L.map(place, { attributionControl: false, zoomSnap: 0.1 });
  const outlines = L.geoJSON(found, {
    filter: (one) => one.geometry.type === "Polygon",
    style: () => ({ color: colour("--edge"), weight: 1, fillColor: colour("--sunken"), fillOpacity: 0.6, interactive: false }),
  }).addTo(map);
  const points = L.geoJSON(found, {
    filter: (one) => one.geometry.type === "Point",
    pointToLayer: (one, at) => L.marker(at, { icon: L.divIcon({ className: `pin ${one.properties.tone}`, iconSize: [14, 14] }), title: one.properties.title, keyboard: false }),
    onEachFeature: (one, layer) => {
      const link = document.createElement("a");
      link.href = one.properties.link;
      link.textContent = one.properties.title;
      layer.bindPopup(link);
    },
  }).addTo(map);
  L.control.scale({ imperial: false }).addTo(map);
  map.fitBounds(points.getBounds().extend(outlines.getBounds()).pad(0.03));
}
