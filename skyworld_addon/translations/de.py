"""German: message -> translation. tests/addon/messages.py lists what is missing."""

# What is called the same.
SAME = """
8 GB|16 GB|24 GB|3 GB|CPU|Cpu|Cuda|Cycles|COLMAP|Dolly|Film|Horizontal|PLY|SOG|SPLAT|SPZ|SkyWorld|Skyfall-GS
Splats|Standard|Start|Stop|SuperSplat|Token|URL|USD|glTF|nerfstudio|Anchored|Inpainter|Name|Prompt|Orbit
Camera Path (.json, COLMAP)
""".replace("\n", "|")

MESSAGES = {name: name for name in SAME.split("|") if name} | {
    # names of panels, buttons and settings
    "16 GB GPU": "GPU mit 16 GB",
    "24 GB GPU": "GPU mit 24 GB",
    "8 GB GPU": "GPU mit 8 GB",
    "3D Cursor": "3D-Cursor",
    "Accept and Download": "Annehmen und laden",
    "Accept the Licences and Download?": "Die Lizenzen annehmen und laden?",
    "Action": "Aktion",
    "Active": "Aktiv",
    "Active Object": "Aktives Objekt",
    "Add Crop Volume": "Zuschnitt hinzufügen",
    "Add Dolly or Crane": "Fahrt oder Kran hinzufügen",
    "Add Fly-through": "Flug hinzufügen",
    "Add Orbit": "Umkreisung hinzufügen",
    "Add Proxy": "Stellvertreter hinzufügen",
    "Add View": "Ansicht merken",
    "Add Walk along Curve": "Gang entlang einer Kurve hinzufügen",
    "Advanced": "Erweitert",
    "All": "Alle",
    "All at Once": "Alles auf einmal",
    "Allow Online Access": "Netzzugang erlauben",
    "Amount": "Menge",
    "Anchored": "Verankert",
    "Apply": "Anwenden",
    "Apply Crop": "Zuschnitt anwenden",
    "Apply Splat Transform": "Splat-Transformation anwenden",
    "Apply Transform": "Transformation anwenden",
    "Around": "Um",
    "As Set": "Wie eingestellt",
    "At a URL": "Unter einer URL",
    "At the Target": "Aufs Ziel",
    "Auto": "Automatisch",
    "Backend": "Backend",
    "Backend's Python": "Python des Backends",
    "Bake Camera": "Kamera backen",
    "Bake to Keyframes": "In Keyframes backen",
    "Ball": "Kugel",
    "Bank": "Kurvenlage",
    "Banking": "Schräglage",
    "Bounds": "Hülle",
    "Box": "Quader",
    "Bring In Finished Worlds": "Fertige Welten hereinholen",
    "Brush": "Pinsel",
    "Brush Select Splats": "Splats mit dem Pinsel wählen",
    "Built-in": "Eingebaut",
    "By": "Nach",
    "Camera": "Kamera",
    "Camera Path (.json, .ssproj, COLMAP)": "Kamerapfad (.json, .ssproj, COLMAP)",
    "Cancel Installation": "Installation abbrechen",
    "Cancel Job": "Auftrag abbrechen",
    "Cancelling": "Wird abgebrochen",
    "Cancelling…": "Wird abgebrochen…",
    "Captioner": "Bildbeschreiber",
    "Choose Another": "Anderes wählen",
    "Choose Another Folder": "Anderen Ordner wählen",
    "Choose Another Picture": "Anderes Bild wählen",
    "Choose Models": "Modelle wählen",
    "Clearance": "Abstand",
    "Closed": "Geschlossen",
    "Colour": "Farbe",
    "Collision": "Kollision",
    "Compressed PLY": "Komprimiertes PLY",
    "Compute on What Is There": "Mit dem rechnen, was da ist",
    "Computes On": "Rechnet auf",
    "Crane": "Kran",
    "Crop Ball": "Kugelschnitt",
    "Crop Box": "Quaderschnitt",
    "Delete": "Löschen",
    "Delete Splats": "Splats löschen",
    "Depth": "Tiefe",
    "Depth of Field": "Schärfentiefe",
    "Deviations": "Abweichungen",
    "Device": "Gerät",
    "Display": "Anzeige",
    "Dolly or Crane": "Fahrt oder Kran",
    "Dolly, Crane": "Fahrt, Kran",
    "Download": "Laden",
    "Download All": "Alle laden",
    "Download Models": "Modelle laden",
    "Download {name}": "{name} laden",
    "Downloaded": "Geladen",
    "Downloaded in part": "Zum Teil geladen",
    "Draft": "Entwurf",
    "Edit": "Bearbeiten",
    "End": "Ende",
    "Export": "Exportieren",
    "Export Cameras": "Kameras exportieren",
    "Export Splats": "Splats exportieren",
    "Extend": "Erweitern",
    "Eye Height": "Augenhöhe",
    "Field": "Feld",
    "Field of View": "Bildwinkel",
    "Field of View at the End": "Bildwinkel am Ende",
    "File": "Datei",
    "File Path": "Dateipfad",
    "Finished Worlds": "Fertige Welten",
    "Fit Splats": "Splats anpassen",
    "Fix It": "Beheben",
    "Floaters": "Schwebende",
    "Fly Through": "Durchfliegen",
    "Fly Through Views": "Durch Ansichten fliegen",
    "Fly-through": "Flug",
    "Focal Zoom": "Zoomfahrt",
    "Folder": "Ordner",
    "For": "Für",
    "Format": "Format",
    "Frame Start": "Erster Frame",
    "Frames": "Frames",
    "Free the Memory": "Speicher freigeben",
    "From": "Von",
    "From Posed Pictures": "Aus Bildern mit Posen",
    "Front and Back Layers": "Ebenen vorn und hinten",
    "Full": "Voll",
    "Gaussian Splats": "Gaussian Splats",
    "Generate World": "Welt erzeugen",
    "Held Out": "Zurückgehalten",
    "Hide": "Verbergen",
    "Hide Splats": "Splats verbergen",
    "High": "Hoch",
    "Hold Out": "Zurückhalten",
    "I Have a Backend": "Ich habe ein Backend",
    "Import Cameras": "Kameras importieren",
    "Import Path": "Pfad importieren",
    "Import Splats": "Splats laden",
    "Import World": "Welt importieren",
    "Install Backend": "Backend installieren",
    "Install the Backend": "Das Backend installieren",
    "Installed": "Installiert",
    "Installing the Backend": "Das Backend wird installiert",
    "Invert": "Umkehren",
    "Invert Crop": "Zuschnitt umkehren",
    "Job": "Auftrag",
    "Jobs": "Aufträge",
    "Keep Clear": "Abstand halten",
    "Keep Only": "Nur behalten",
    "Lasso": "Lasso",
    "Lasso Select Splats": "Splats mit dem Lasso wählen",
    "Least Opacity": "Kleinste Deckkraft",
    "Licence": "Lizenz",
    "Look": "Blick",
    "Look at Target": "Ziel ansehen",
    "Look at a Target": "Ein Ziel ansehen",
    "Lost": "Verloren",
    "Mark World as Asset": "Welt als Asset vormerken",
    "Merge Objects": "Objekte vereinen",
    "Merge Splat Objects": "Splat-Objekte vereinen",
    "Mode": "Modus",
    "Model": "Modell",
    "Models": "Modelle",
    "Models Folder": "Modellordner",
    "Models For": "Modelle für",
    "Most Splats in the Viewport": "Meiste Splats im Viewport",
    "Move": "Bewegung",
    "NVIDIA GPU": "NVIDIA-GPU",
    "New World": "Neue Welt",
    "None": "Keine",
    "Not running": "Läuft nicht",
    "Objects": "Objekte",
    "On This Computer": "Auf diesem Rechner",
    "Opacity": "Deckkraft",
    "Open the Preferences": "Einstellungen öffnen",
    "Order": "Reihenfolge",
    "Other Models": "Andere Modelle",
    "Others": "Andere",
    "Outward": "Nach außen",
    "Own Distance": "Eigene Entfernung",
    "Own Panorama": "Eigenes Panorama",
    "Panorama Width": "Panoramabreite",
    "Photograph": "Foto",
    "Pick Splat Object": "Splat-Objekt anklicken",
    "Pictures Folder": "Bilderordner",
    "Pitch": "Neigung",
    "Points": "Punkte",
    "Points to Splats": "Punkte zu Splats",
    "Preview": "Vorschau",
    "Python to Install With": "Python für die Installation",
    "Quality": "Qualität",
    "Quick": "Schnell",
    "Radius": "Radius",
    "Reach": "Reichweite",
    "Remove": "Entfernen",
    "Remove Crop": "Zuschnitt entfernen",
    "Render Shot": "Shot rendern",
    "Repair Mask": "Maske zum Ausbessern",
    "Repair Panorama": "Panorama ausbessern",
    "Resolution X": "Auflösung X",
    "Restart": "Neu starten",
    "Restart Backend": "Backend neu starten",
    "Restart the Backend": "Das Backend neu starten",
    "Resume": "Fortsetzen",
    "Retry": "Nochmals",
    "Retry Job": "Auftrag nochmals",
    "Reveal": "Zeigen",
    "Reveal Hidden Splats": "Verborgene Splats zeigen",
    "Samples": "Stichproben",
    "Seed": "Startzahl",
    "Segmenter": "Segmentierer",
    "Select All Splats": "Alle Splats wählen",
    "Select By": "Wählen nach",
    "Select Splats By": "Splats wählen nach",
    "Select Splats in Volume": "Splats im Volumen wählen",
    "Selected Splats Only": "Nur gewählte Splats",
    "Separate": "Trennen",
    "Separate Splats": "Splats abtrennen",
    "Sequential": "Der Reihe nach",
    "Set": "Setzen",
    "Set Pitch": "Neigung setzen",
    "Set Up Compositing": "Compositing einrichten",
    "Set Up the GPU Backend": "GPU-Backend einrichten",
    "Set Up the Scene for the Shot": "Szene für den Shot einrichten",
    "Shape": "Form",
    "Share": "Anteil",
    "Shot": "Shot",
    "Show Choices": "Auswahl zeigen",
    "Show Models": "Modelle zeigen",
    "Size": "Größe",
    "SkyWorld Engine": "SkyWorld-Engine",
    "SkyWorld World or Camera Path": "SkyWorld-Welt oder Kamerapfad",
    "Smaller": "Kleiner",
    "Soft Start and Stop": "Weicher Anfang und Halt",
    "Spheres": "Kugeln",
    "Splats Only": "Nur Splats",
    "Splats to Points": "Splats zu Punkten",
    "Start Backend": "Backend starten",
    "Start the Backend": "Das Backend starten",
    "Starting the Backend…": "Das Backend startet…",
    "Starting…": "Startet…",
    "Stop Backend": "Backend anhalten",
    "Subtract": "Abziehen",
    "Take Smaller Models": "Kleinere Modelle nehmen",
    "Text to Image": "Text zu Bild",
    "To Points": "Zu Punkten",
    "Tolerance": "Toleranz",
    "Transparent": "Transparent",
    "Triangles": "Dreiecke",
    "Truck": "Seitwärts",
    "Unselected": "Nicht gewählte",
    "Up To": "Bis",
    "Use Built-in Models": "Eingebaute Modelle nutzen",
    "Use Models": "Modelle nutzen",
    "Use Seed": "Startzahl nehmen",
    "Viewpoint": "Standpunkt",
    "Volume": "Volumen",
    "Walk": "Gang",
    "Walk along Curve": "Gang entlang einer Kurve",
    "Walking Room": "Bewegungsraum",
    "Width": "Breite",
    "World": "Welt",
    "World Folder": "Weltordner",
    "Depth Model": "Tiefenmodell",
    "Hub id or folder of a model whose idea of lower views the fit is to follow; none if left out": (
        "Hub-Name oder Ordner eines Modells, dessen Vorstellung tieferer Ansichten die Anpassung folgt; sonst keines"
    ),
    "Set Block": "Block setzen",
    "Set block instead of leaving it to the program": "Den Block setzen, statt ihn dem Programm zu überlassen",
    "Set Field of View": "Bildwinkel setzen",
    "Set field of view instead of leaving it to the program": (
        "Den Bildwinkel setzen, statt ihn dem Programm zu überlassen"
    ),
    # dropped files, the box
    "Box Select Splats": "Splats mit Rechteck wählen",
    "Draw a rectangle over splats to select them    Shift: Extend    Ctrl: Subtract    Esc: Cancel": (
        "Ein Rechteck über Splats ziehen, um sie zu wählen    Umschalt: Erweitern    Strg: Abziehen    Esc: Abbrechen"
    ),
    "Draw a rectangle over splats to select them, however deep they lie. Shift extends, Ctrl takes away": (
        "Ein Rechteck über Splats ziehen, um sie zu wählen, wie tief sie auch liegen. Umschalt erweitert, Strg zieht ab"
    ),
    "Gaussian Splats (.ply, .spz, .sog, .splat, .glb, USD)": "Gauß-Splats (.ply, .spz, .sog, .splat, .glb, USD)",
    "Import Gaussian splats (.ply, and with the backend .spz, .splat, .sog, .glb, USD) or coloured points (.ply)": (
        "Gauß-Splats importieren (.ply, mit dem Backend auch .spz, .splat, .sog, .glb, USD), oder farbige Punkte (.ply)"
    ),
    "Photograph of a World": "Foto einer Welt",
    "Satellite Images": "Satellitenbilder",
    "Take the picture as the photograph that a world is made from": "Das Bild als Foto nehmen, aus dem eine Welt wird",
    "The picture": "Das Bild",
    "Use as Photograph": "Als Foto nehmen",
    # jobs
    "Choices": "Auswahl",
    "Computes on the processor": "Rechnet auf dem Prozessor",
    "Fit": "Anpassung",
    "Overview": "Überblick",
    "Proxy": "Stellvertreter",
    "Refinement": "Verfeinerung",
    "Workers": "Arbeiter",
    "{job} is running: {share}": "{job} läuft: {share}",
    # the first-run page
    "0.5 GB, once": "0,5 GB, einmal",
    "1 to 2 minutes on two cores": "1 bis 2 Minuten auf zwei Kernen",
    "3 GB, then models of your choice: 23 to 61 GB": "3 GB, dann Modelle nach Wahl: 23 bis 61 GB",
    "8 GB and the models": "8 GB und die Modelle",
    "A world": "Eine Welt",
    "Apache-2.0, MIT; each model's is shown before its download": (
        "Apache-2.0, MIT; die jedes Modells wird vor dem Laden gezeigt"
    ),
    "On disk": "Auf Platte",
    "GPL; what you make is yours": "GPL; was du machst, gehört dir",
    "Importing and exporting splats and cameras works without a backend.": (
        "Splats und Kameras lassen sich ohne Backend importieren und exportieren."
    ),
    "Makes": "Macht",
    "Needs": "Braucht",
    "Worlds are made by a backend, a program of its own beside Blender. Choose one.": (
        "Welten macht ein Backend, ein eigenes Programm neben Blender. Wähle eines."
    ),
    "an NVIDIA GPU of 8 GB or more": "eine NVIDIA-GPU mit 8 GB oder mehr",
    "any computer; no GPU": "irgendeinen Rechner; keine GPU",
    "the same, and worlds from a prompt; invents what no photograph shows": (
        "dasselbe, und Welten aus einem Prompt; erfindet, was kein Foto zeigt"
    ),
    "under a minute on a large GPU": "unter einer Minute auf einer großen GPU",
    "worlds from a photograph; splats from posed pictures": "Welten aus einem Foto; Splats aus Bildern mit Posen",
    "The backend is installed. Download models for your GPU in the preferences, or begin at once": (
        "Das Backend ist installiert. Lade in den Einstellungen Modelle für deine GPU, oder fang gleich an"
    ),
    "Blender may not use the network, so nothing can be downloaded": (
        "Blender darf nicht ins Netz, also kann nichts geladen werden"
    ),
    # what is said in the panels
    "About {size:.1f} GB are missing, {free:.1f} GB are free": "Etwa {size:.1f} GB fehlen, {free:.1f} GB sind frei",
    "All of it is here": "Alles ist da",
    "Chosen by itself": "automatisch",
    "Device not known yet": "Gerät noch nicht bekannt",
    "Distance": "Entfernung",
    "For {purpose}": "Für {purpose}",
    "Made by {models}": "Gemacht von {models}",
    "Panorama": "Panorama",
    "Running, version {version}": "Läuft, Version {version}",
    "Starting": "Startet",
    "Waiting": "Wartet",
    "{count:,} points": "{count:,} Punkte",
    "{count:,} splats": "{count:,} Splats",
    "{elapsed} / about {whole}": "{elapsed} / etwa {whole}",
    "All splats of {name} are selected": "Alle Splats von {name} sind gewählt",
    "Cancelled; what was finished is kept": "Abgebrochen; was fertig war, bleibt",
    "Choose a folder": "Ordner wählen",
    "Choose a picture": "Wähle ein Bild",
    "What is all around": "Was ringsum ist",
    "or say what to make": "oder sag, was entstehen soll",
    "The built-in models do not read prompts; choose other Models": (
        "Die eingebauten Modelle lesen keine Prompts; wähle andere Modelle"
    ),
    "The cache of the Hugging Face hub": "Der Zwischenspeicher des Hugging-Face-Hubs",
    "The job failed": "Der Auftrag ist gescheitert",
    "Select a splat object": "Wähle ein Splat-Objekt",
    "{count:,} splats selected": "{count:,} Splats gewählt",
    "{count:,} splats in {name}": "{count:,} Splats in {name}",
    "Draw around splats to select them    Shift: Extend    Ctrl: Subtract    Esc: Cancel": (
        "Splats umfahren, um sie zu wählen    Umschalt: erweitern    Strg: abziehen    Esc: abbrechen"
    ),
    "Paint to select splats    Shift: Extend    Ctrl: Subtract    Wheel: Radius    Enter: Done": (
        "Malen, um Splats zu wählen    Umschalt: erweitern    Strg: abziehen    Rad: Radius    Eingabe: fertig"
    ),
    # reports
    "Shot written to {folder}": "Shot nach {folder} geschrieben",
    "{count:,} splats deleted": "{count:,} Splats gelöscht",
    "{count:,} splats from {folder}": "{count:,} Splats aus {folder}",
    "{count:,} splats imported": "{count:,} Splats importiert",
    "{count:,} splats separated": "{count:,} Splats abgetrennt",
    "{count:,} splats written to {file}": "{count:,} Splats nach {file} geschrieben",
    "{count} camera keys imported": "{count} Kamera-Keys importiert",
    "{count} frames imported": "{count} Frames importiert",
    "{count} frames written to {file}": "{count} Frames nach {file} geschrieben",
    "{left:.2f} m at its narrowest, {before:.2f} m before": (
        "{left:.2f} m an der engsten Stelle, vorher {before:.2f} m"
    ),
    "{name} added": "{name} hinzugefügt",
    "{name} is in the asset browser, under Current File": "{name} liegt im Asset-Browser unter Current File",
    "The backend had ended and was started again": "Das Backend war beendet und wurde neu gestartet",
    "The backend has lost the splats while Cycles drew the objects": (
        "Das Backend hat die Splats verloren, während Cycles die Objekte zeichnete"
    ),
    "Render the frame again": "Das Bild noch einmal rendern",
    "Depth of field is drawn with perspective cameras only": (
        "Schärfentiefe wird nur mit perspektivischen Kameras gezeichnet"
    ),
    "Whether the compositor lays the world behind splats and objects": (
        "Ob der Compositor die Welt hinter Splats und Objekte legt"
    ),
    "The backend is writing {file}": "Das Backend schreibt {file}",
    "The path is clear: {apart:.2f} m at its narrowest": "Der Pfad ist frei: {apart:.2f} m an der engsten Stelle",
    "The path stands at the 3D cursor": "Der Pfad steht am 3D-Cursor",
    "There are no splats: the walk is at the drawn curve's own height": (
        "Es gibt keine Splats: Der Gang liegt auf der Höhe der gezeichneten Kurve"
    ),
    # why a button is greyed out
    "A job is running; wait for it or cancel it": "Ein Auftrag läuft; warte darauf oder brich ihn ab",
    "A render is running": "Es wird schon gerendert",
    "Add two views or more first": "Merke erst zwei Ansichten oder mehr",
    "Blender may not use the network: switch on Preferences > System > Allow Online Access": (
        "Blender darf nicht ins Netz: Schalte Einstellungen > System > Netzzugang erlauben ein"
    ),
    "Blender may not use the network: switch on Preferences > System > Allow Online Access, "
    "or set the Python of an installed backend in the add-on's preferences": (
        "Blender darf nicht ins Netz: Schalte Einstellungen > System > Netzzugang erlauben ein, oder gib in den "
        "Einstellungen des Add-ons das Python eines installierten Backends an"
    ),
    "Choose a folder of posed pictures first": "Wähle erst einen Ordner mit Bildern und Posen",
    "Choose a photograph first": "Wähle erst ein Foto",
    "Choose a photograph, write a prompt, or give your own panorama first": (
        "Wähle erst ein Foto, schreib einen Prompt oder gib ein eigenes Panorama an"
    ),
    "Draw a curve where to walk, and make it the active object": (
        "Zeichne eine Kurve, wo gegangen werden soll, und mach sie zum aktiven Objekt"
    ),
    "Files of this format need the backend on this computer": (
        "Dateien dieses Formats brauchen das Backend auf diesem Rechner"
    ),
    "Nothing is being installed": "Es wird nichts installiert",
    "Only in a 3D view": "Nur in einer 3D-Ansicht",
    "Only in a 3D view in Object Mode": "Nur in einer 3D-Ansicht im Objektmodus",
    "Select a cropped splat object or its crop volume": "Wähle ein zugeschnittenes Splat-Objekt oder dessen Volumen",
    "Select a cube or an empty too, which says where": "Wähle auch einen Würfel oder ein Empty, das sagt, wo",
    "Select a point cloud or a mesh with a colour attribute": "Wähle eine Punktwolke oder ein Mesh mit Farbattribut",
    "Select some by lasso, brush, volume or value": "Wähle welche mit Lasso, Pinsel, Volumen oder nach Wert",
    "Select some splats first: by lasso, brush, volume or value": (
        "Wähle erst Splats: mit Lasso, Pinsel, Volumen oder nach Wert"
    ),
    "Select some, or switch Selected Splats Only off": "Wähle welche, oder schalte Nur gewählte Splats aus",
    "Select the curve of a camera path": "Wähle die Kurve eines Kamerapfads",
    "Select two splat objects or more": "Wähle zwei Splat-Objekte oder mehr",
    "The backend is not running": "Das Backend läuft nicht",
    "The backend is running": "Das Backend läuft",
    "The installation is running": "Die Installation läuft",
    "The scene has no camera": "Die Szene hat keine Kamera",
    "The scene has no camera: add a fly-through or an orbit": (
        "Die Szene hat keine Kamera: Füge einen Flug oder eine Umkreisung hinzu"
    ),
    "The scene has no world; import or generate one first": (
        "Die Szene hat keine Welt; importiere oder erzeuge erst eine"
    ),
    "There is neither a 3D view nor a camera": "Es gibt weder eine 3D-Ansicht noch eine Kamera",
    "SkyWorld draws the objects itself: choose Cycles or EEVEE as render engine first": (
        "SkyWorld zeichnet die Objekte selbst: Wähle erst Cycles oder EEVEE als Render-Engine"
    ),
    "Switch to the scene with the objects": "Wechsle zur Szene mit den Objekten",
    "This scene holds no splats": "Diese Szene enthält keine Splats",
    "This scene holds no world: make or import one first": "Diese Szene hat keine Welt: Mach oder importiere erst eine",
    "This scene holds the layers of another": "Diese Szene enthält die Ebenen einer anderen",
    # what is wrong
    "The backend sent a damaged mesh": "Das Backend hat ein beschädigtes Mesh geschickt",
    "No Python 3.11 to 3.14 with venv was found": "Es wurde kein Python 3.11 bis 3.14 mit venv gefunden",
    "No splat is selected": "Kein Splat ist gewählt",
    "No splat of {name} is that opaque": "Kein Splat von {name} deckt so stark",
    "Only a perspective camera zooms": "Nur eine perspektivische Kamera zoomt",
    "The backend at {url} does not answer ({reason})": "Das Backend unter {url} antwortet nicht ({reason})",
    "The backend at {url} does not stream events (HTTP {status})": (
        "Das Backend unter {url} meldet keine Ereignisse (HTTP {status})"
    ),
    "The backend at {url} refuses the token": "Das Backend unter {url} lehnt den Token ab",
    "The backend cannot be started ({reason})": "Das Backend lässt sich nicht starten ({reason})",
    "The backend could not convert it ({reason})": "Das Backend konnte es nicht umwandeln ({reason})",
    "The backend could not render the frame (HTTP {status})": (
        "Das Backend konnte den Frame nicht rendern (HTTP {status})"
    ),
    "The backend did not start: {words}": "Das Backend ist nicht gestartet: {words}",
    "The backend has ended: {words}": "Das Backend hat geendet: {words}",
    "The backend has not started within {seconds:.0f} seconds": (
        "Das Backend ist nicht binnen {seconds:.0f} Sekunden gestartet"
    ),
    "The backend is not installed": "Das Backend ist nicht installiert",
    "The backend refuses the splats (HTTP {status})": "Das Backend lehnt die Splats ab (HTTP {status})",
    "The backend refuses {request} (HTTP {status})": "Das Backend lehnt {request} ab (HTTP {status})",
    "The backend sent a frame of a wrong size": "Das Backend hat einen Frame falscher Größe geschickt",
    "The backend was not installed. {step} ended with: {words}": (
        "Das Backend wurde nicht installiert. {step} endete mit: {words}"
    ),
    "The backend's cache is too small for the splats of this scene": (
        "Der Zwischenspeicher des Backends ist zu klein für die Splats dieser Szene"
    ),
    "The backend's wheel is missing from the add-on": "Im Add-on fehlt das Wheel des Backends",
    "The crop leaves nothing of {name}": "Der Zuschnitt lässt nichts von {name} übrig",
    "The curve has no points": "Die Kurve hat keine Punkte",
    "The last job did not fail": "Der letzte Auftrag ist nicht gescheitert",
    "The splats are linked from another file; make them local to edit them": (
        "Die Splats sind aus einer anderen Datei verknüpft; mach sie lokal, um sie zu bearbeiten"
    ),
    "The views stand in one place": "Die Ansichten stehen an einer Stelle",
    "There are no splats to keep clear of": "Es gibt keine Splats, von denen Abstand zu halten wäre",
    "There is no active object": "Es gibt kein aktives Objekt",
    "There is no job to cancel": "Es gibt keinen Auftrag abzubrechen",
    "There is no model {name}": "Es gibt kein Modell {name}",
    "This Blender was built without Cycles, which draws the objects": (
        "Dieses Blender wurde ohne Cycles gebaut, das die Objekte zeichnet"
    ),
    "This Blender was built without FFmpeg and cannot write a film": (
        "Dieses Blender wurde ohne FFmpeg gebaut und kann keinen Film schreiben"
    ),
    "asks for pictures of {width} x {height} at {fps:g} frames a second": (
        "verlangt Bilder von {width} x {height} bei {fps:g} Frames in der Sekunde"
    ),
    "camera paths hold square pixels only": "Kamerapfade fassen nur quadratische Pixel",
    "cannot be made ({reason})": "lässt sich nicht anlegen ({reason})",
    "cannot be read ({reason})": "lässt sich nicht lesen ({reason})",
    "cannot be written ({reason})": "lässt sich nicht schreiben ({reason})",
    "frame {index} lacks a camera_to_world of 16 numbers, or its fov or K": (
        "Frame {index} fehlt camera_to_world mit 16 Zahlen, oder fov oder K"
    ),
    "frame {index}: camera_to_world is not a rotation and a position": (
        "Frame {index}: camera_to_world ist keine Drehung mit Ort"
    ),
    "frame {index}: its field of view is impossible": "Frame {index}: Der Bildwinkel ist unmöglich",
    "frame {index}: its pixels are not square, which no camera here has": (
        "Frame {index}: Die Pixel sind nicht quadratisch; solche Kameras gibt es hier nicht"
    ),
    "frame {index}: the camera's lens is shifted, which SuperSplat's list of cameras cannot hold": (
        "Frame {index}: Das Objektiv ist verschoben, was SuperSplats Kameraliste nicht fasst"
    ),
    "has a PLY header that does not tell the format": "hat einen PLY-Kopf, der das Format nicht nennt",
    "has a PLY header without end": "hat einen PLY-Kopf ohne Ende",
    "has a camera path without frames": "hat einen Kamerapfad ohne Frames",
    "has a damaged PLY header": "hat einen beschädigten PLY-Kopf",
    "has a row that is not made of numbers": "hat eine Zeile, die nicht aus Zahlen besteht",
    "has no camera keys": "hat keine Kamera-Keys",
    "has no readable list of vertices": "hat keine lesbare Liste von Punkten",
    "has no render_width, render_height or fps": "hat kein render_width, render_height oder fps",
    "has no shot and no panorama to show": "hat weder Shot noch Panorama zum Zeigen",
    "has no splats yet": "hat noch keine Splats",
    "has pictures of several sizes": "hat Bilder verschiedener Größe",
    "has values that are not numbers (NaN or infinite) in {bad:,} of {count:,} points looked at": (
        "hat in {bad:,} von {count:,} betrachteten Punkten Werte, die keine Zahlen sind (NaN oder unendlich)"
    ),
    "has {count} f_rest properties, which is no spherical harmonics degree (0, 9, 24, 45 or 72)": (
        "hat {count} Eigenschaften f_rest, was kein Grad von Kugelflächenfunktionen ist (0, 9, 24, 45 oder 72)"
    ),
    "has {kind} cameras": "hat Kameras der Art {kind}",
    "holds no camera_path": "enthält keinen camera_path",
    "holds no frames": "enthält keine Frames",
    "holds no points at all": "enthält keinen einzigen Punkt",
    "is a compressed splat PLY": "ist ein komprimiertes Splat-PLY",
    "is cut short: it promises {promised:,} points and holds {held:,}": (
        "ist abgeschnitten: verspricht {promised:,} Punkte und enthält {held:,}"
    ),
    "is damaged": "ist beschädigt",
    "is no Python that runs": "ist kein Python, das läuft",
    "is no list of cameras with width, height, position, rotation, fx and fy": (
        "ist keine Liste von Kameras mit width, height, position, rotation, fx und fy"
    ),
    "is not a COLMAP text model ({reason})": "ist kein Textmodell von COLMAP ({reason})",
    "is not a PLY file": "ist keine PLY-Datei",
    "is not a Python 3.11 to 3.14": "ist kein Python 3.11 bis 3.14",
    "is not a camera path (JSON)": "ist kein Kamerapfad (JSON)",
    "is not a project of SuperSplat": "ist kein Projekt von SuperSplat",
    "is not a splat file: it has no {missing}": "ist keine Splat-Datei: Es fehlt {missing}",
    "is not a world folder (it has no world.json)": "ist kein Weltordner (world.json fehlt)",
    "is of format {version}, newer than this add-on": "hat Format {version}, neuer als dieses Add-on",
    "it ended with {status}": "es endete mit {status}",
    "splats cannot be drawn through the lens of the camera {name}": (
        "Splats lassen sich nicht durch das Objektiv der Kamera {name} zeichnen"
    ),
    "splats cannot be pressed flat": "Splats lassen sich nicht flach drücken",
    "splats cannot be stretched, sheared or mirrored where they stand": (
        "Splats lassen sich nicht an Ort und Stelle strecken, scheren oder spiegeln"
    ),
    "splats that change or come and go within a frame cannot be blurred": (
        "Splats, die sich innerhalb eines Frames ändern, kommen oder gehen, lassen sich nicht verwischen"
    ),
    "the camera {name} is {kind}": "die Kamera {name} ist {kind}",
    "the splat object {name} has {count} {kind}… attributes, which is no degree of spherical harmonics": (
        "das Splat-Objekt {name} hat {count} Attribute {kind}…, was kein Grad von Kugelflächenfunktionen ist"
    ),
    "the splat object {name} is empty": "das Splat-Objekt {name} ist leer",
    "there is no such folder": "diesen Ordner gibt es nicht",
    "there is no such picture": "dieses Bild gibt es nicht",
    "{file}: the backend cannot give this file": "{file}: Das Backend kann diese Datei nicht geben",
    "{name} shares its splats with other objects": "{name} teilt sich die Splats mit anderen Objekten",
    "{url!r} is no address of a backend": "{url!r} ist keine Adresse eines Backends",
    "{url} answers, but is no SkyWorld backend": "{url} antwortet, ist aber kein SkyWorld-Backend",
    # what to do about it
    "A shot has one size: export one camera": "Ein Shot hat eine Größe: Exportiere eine Kamera",
    "Add a fly-through in the SkyWorld panel": "Füge im SkyWorld-Panel einen Flug hinzu",
    "Add the proxy again": "Füge den Stellvertreter nochmals hinzu",
    "Check the URL": "Prüfe die URL",
    "Choose a .ply file of Gaussian splats or points": "Wähle eine .ply mit Gaussian Splats oder Punkten",
    "Choose a .ply of 3D Gaussian splatting, or a point cloud with red, green and blue": (
        "Wähle eine .ply des 3D Gaussian Splatting, oder eine Punktwolke mit red, green und blue"
    ),
    "Choose a .ply of splats or points": "Wähle eine .ply mit Splats oder Punkten",
    "Choose a camera path of nerfstudio, Skyfall-GS or SkyWorld": (
        "Wähle einen Kamerapfad von nerfstudio, Skyfall-GS oder SkyWorld"
    ),
    "Choose a lower Least Opacity": "Wähle eine niedrigere kleinste Deckkraft",
    "Choose another": "Wähle ein anderes",
    "Choose another file": "Wähle eine andere Datei",
    "Choose another folder": "Wähle einen anderen Ordner",
    "Choose another folder or free some space": "Wähle einen anderen Ordner oder schaff Platz",
    "Choose another one in the preferences": "Wähle in den Einstellungen ein anderes",
    "Choose images.txt of a COLMAP text model, with cameras.txt beside it": (
        "Wähle images.txt eines COLMAP-Textmodells, mit cameras.txt daneben"
    ),
    "Choose the folder of a finished world": "Wähle den Ordner einer fertigen Welt",
    "Copy its token into the preferences": "Kopiere seinen Token in die Einstellungen",
    "Copy or export it again": "Kopiere oder exportiere sie nochmals",
    "Deselect some, or delete the object": "Wähle einige ab, oder lösche das Objekt",
    "Draw it first": "Zeichne sie erst",
    "Export it again": "Exportiere sie nochmals",
    "Export it again without them": "Exportiere sie nochmals ohne sie",
    "Export it with perspective cameras": "Exportiere sie mit perspektivischen Kameras",
    "Generate the world again into the same folder": "Erzeuge die Welt nochmals in denselben Ordner",
    "Give it the same scale on all three axes (and none below zero), or press Apply Splat Transform": (
        "Gib ihm auf allen drei Achsen dieselbe Skalierung (keine unter null), oder wende die Splat-Transformation an"
    ),
    "Give the object a scale above zero on each axis": "Gib dem Objekt auf jeder Achse eine Skalierung über null",
    "Hide some from the render": "Verbirg einige beim Rendern",
    "Import a world first": "Importiere erst eine Welt",
    "Import it again": "Importiere es nochmals",
    "Install Python 3.13 from python.org, or set one in the preferences": (
        "Installiere Python 3.13 von python.org, oder gib eines in den Einstellungen an"
    ),
    "Install it, or choose a .ply, for which none is needed": (
        "Installiere es, oder wähle eine .ply, für die keines nötig ist"
    ),
    "Install the add-on again": "Installiere das Add-on nochmals",
    "Install the backend again, or set its Python in the preferences": (
        "Installiere das Backend nochmals, oder gib sein Python in den Einstellungen an"
    ),
    "Its log: {log}": "Sein Protokoll: {log}",
    "Keep 0, 3, 8, 15 or 24 of them": "Behalte 0, 3, 8, 15 oder 24 davon",
    "Make it again into the same folder to finish it": "Erzeuge sie nochmals in denselben Ordner, um fertig zu werden",
    "Make them single-user first": "Mach sie erst zu Einzelnutzern",
    "Mend these numbers": "Berichtige diese Zahlen",
    "Move its volume, or invert it": "Bewege das Volumen, oder kehre es um",
    "Move some of them": "Bewege einige davon",
    "Press Install Backend, or set the backend's Python in the preferences": (
        "Drücke Backend installieren, oder gib sein Python in den Einstellungen an"
    ),
    "Press Restart": "Drücke Neu starten",
    "Press Start in the SkyWorld panel": "Drücke Start im SkyWorld-Panel",
    "Render a shot, then try again": "Rendere einen Shot, dann versuch es nochmals",
    "Render the shot again": "Rendere den Shot nochmals",
    "Save it again in SuperSplat, with camera keys on its timeline": (
        "Speichere es in SuperSplat nochmals, mit Kamera-Keys auf der Zeitleiste"
    ),
    "Save it as an uncompressed .ply first": "Speichere es erst als unkomprimierte .ply",
    "Select one, or orbit the 3D cursor": "Wähle eines, oder umkreise den 3D-Cursor",
    "Set Objects to Splats Only in the render properties of SkyWorld": (
        "Stell in den Render-Eigenschaften von SkyWorld Objekte auf Nur Splats"
    ),
    "Set Shift X and Y of the camera to 0, or export for COLMAP": (
        "Setze Shift X und Y der Kamera auf 0, oder exportiere für COLMAP"
    ),
    "Set its type to Perspective": "Stell ihren Typ auf Perspektivisch",
    "Set its type to Perspective, Orthographic or Panoramic, Equirectangular all around": (
        "Stell ihren Typ auf Perspektivisch, Orthografisch oder Panorama, rundum equirektangular"
    ),
    "Set the camera's type to Perspective": "Stell den Typ der Kamera auf Perspektivisch",
    "Set the pixel aspect of the output to 1 : 1": "Setze das Pixelseitenverhältnis der Ausgabe auf 1 : 1",
    "Switch Film off and make one of the frames": "Schalte Film aus und mach einen aus den Frames",
    "Switch Motion Blur off, or let them be the same over the shutter": (
        "Schalte die Bewegungsunschärfe aus, oder lass sie während der Belichtung gleich"
    ),
    "The whole story is in {log}": "Alles dazu steht in {log}",
    "Update SkyWorld": "Aktualisiere SkyWorld",
    "Update the backend: its version differs from the add-on's": (
        "Aktualisiere das Backend: Seine Version ist nicht die des Add-ons"
    ),
    "Write it like http://127.0.0.1:8188": "Schreib sie wie http://127.0.0.1:8188",
    # steps of the installation
    "Compiling": "Kompilieren",
    "Downloading packages": "Pakete laden",
    "Looking for Python": "Python wird gesucht",
    "Making the environment": "Umgebung anlegen",
    # tooltips: preferences
    "A Python 3.11 to 3.14 from which the backend's environment is made. Empty: found by itself": (
        "Ein Python 3.11 bis 3.14, aus dem die Umgebung des Backends entsteht. Leer: wird von selbst gefunden"
    ),
    "A backend that runs already: `skyworld serve --stay` prints its URL and token": (
        "Ein Backend, das schon läuft: `skyworld serve --stay` nennt URL und Token"
    ),
    "A process of its own, started by the add-on and ended with Blender": (
        "Ein eigener Prozess, vom Add-on gestartet und mit Blender beendet"
    ),
    "For a GPU of 8 GB and more": "Für eine GPU mit 8 GB und mehr",
    "For a GPU of 16 GB and more": "Für eine GPU mit 16 GB und mehr",
    "For a GPU of 24 GB and more": "Für eine GPU mit 24 GB und mehr",
    "Like http://127.0.0.1:8188": "Wie http://127.0.0.1:8188",
    "Of all splat objects that are shown; of more, a share is drawn, larger. A million takes about 300 MB of the GPU's "
    "memory. Renders and exports always have all of them": (
        "Von allen gezeigten Splat-Objekten; von mehr wird ein Teil gezeichnet, größer. Eine Million braucht rund 300 "
        "MB Speicher der GPU. Beim Rendern und Exportieren sind immer alle dabei"
    ),
    "Python of an environment that has the backend. Empty: the environment variable SKYWORLD_BACKEND_PYTHON, else the "
    "one that Install Backend makes": (
        "Python einer Umgebung, die das Backend hat. Leer: die Umgebungsvariable SKYWORLD_BACKEND_PYTHON, sonst das, "
        "welches Backend installieren anlegt"
    ),
    "The secret that the backend printed": "Das Geheimnis, das das Backend ausgegeben hat",
    "When a world that was started here is done, add it to the scene": (
        "Eine Welt, die hier begonnen wurde, in die Szene holen, sobald sie fertig ist"
    ),
    "Where the backend keeps downloaded models, taken up when it starts anew. Empty: the cache that other programs use "
    "too, or the environment variable HF_HUB_CACHE": (
        "Wo das Backend geladene Modelle aufbewahrt; gilt nach seinem nächsten Start. Leer: der Zwischenspeicher, den "
        "auch andere Programme nutzen, oder die Umgebungsvariable HF_HUB_CACHE"
    ),
    "Where worlds are made and splats are rendered": "Wo Welten gemacht und Splats gerendert werden",
    "Which build of PyTorch Install Backend takes": "Welches PyTorch Backend installieren nimmt",
    "Which set of models is shown: for a GPU with that much memory": (
        "Welche Modelle gezeigt werden: für eine GPU mit so viel Speicher"
    ),
    "With CUDA and gsplat; about 8 GiB of disk": "Mit CUDA und gsplat; etwa 8 GiB auf der Platte",
    "With a new world: its camera, the SkyWorld render engine and the view transform Standard; with a "
    "city's mesh: textures in solid shading": (
        "Mit einer neuen Welt: ihre Kamera, die Render-Engine SkyWorld und die Ansichtstransformation Standard; mit "
        "dem Mesh einer Stadt: Texturen in fester Schattierung"
    ),
    "Works everywhere; about 3 GiB of disk": "Geht überall; etwa 3 GiB auf der Platte",
    # tooltips: parameters
    "A finished 360 panorama (2:1) to use in place of the generated one": (
        "Ein fertiges 360-Grad-Panorama (2:1) anstelle des erzeugten"
    ),
    "Another number, another world around the photograph": "Eine andere Zahl, eine andere Welt um das Foto",
    "Complete what is black or transparent in your own panorama, such as the tripod's place": (
        "Ergänzen, was im eigenen Panorama schwarz oder durchsichtig ist, etwa den Platz des Stativs"
    ),
    "Distance along the ray in metres (EXR, 16-bit PNG in millimetres, or NPY) for the panorama": (
        "Entfernung entlang des Strahls in Metern (EXR, 16-Bit-PNG in Millimetern oder NPY) zum Panorama"
    ),
    "Edge of the cube around the viewpoint that the camera may roam without holes, in metres": (
        "Kante des Würfels um den Standpunkt, in dem die Kamera ohne Löcher umhergehen kann, in Metern"
    ),
    "Folder of the world in this collection": "Ordner der Welt dieser Sammlung",
    "Folder of the world; made if it is not there": "Ordner der Welt; wird angelegt, wenn es ihn nicht gibt",
    "Folder with transforms.json (nerfstudio, instant-ngp) or a COLMAP text model and images": (
        "Ordner mit transforms.json (nerfstudio, instant-ngp) oder einem COLMAP-Textmodell und Bildern"
    ),
    "Height of the photographer's eye above the ground in metres; the whole world scales with it": (
        "Augenhöhe des Fotografen über dem Boden in Metern; die ganze Welt wächst mit ihr"
    ),
    "Horizontal field of view of the photograph in degrees; 0 finds it (EXIF, vanishing lines, or 60)": (
        "Waagrechter Bildwinkel des Fotos in Grad; 0 findet ihn (EXIF, Fluchtlinien oder 60)"
    ),
    "How far the photograph looks up, in degrees; found from the horizon if left out": (
        "Wie weit das Foto nach oben blickt, in Grad; wird sonst am Horizont gefunden"
    ),
    "How fine the Gaussians are, and how long they take; full completes views from all around and fits 5,000 steps, "
    "and wants a GPU": (
        "Wie fein die Gauß-Splats sind und wie lange sie brauchen; Voll ergänzt Ansichten von ringsum und passt 5000 "
        "Schritte lang an, und will eine GPU"
    ),
    "How long to fit: quick for a first look, full for shots": (
        "Wie lange angepasst wird: schnell für den ersten Blick, voll für Shots"
    ),
    "In which order a checkpoint completes the panorama: sky and ground first with the photograph also behind the "
    "viewer, round and round, or all at once": (
        "In welcher Reihenfolge ein Checkpoint das Panorama ergänzt: Himmel und Boden zuerst, mit dem Foto auch hinter "
        "dem Betrachter, rundherum, oder alles auf einmal"
    ),
    "Keep every so many-th picture back and measure how well it is met; 0 uses all": (
        "Jedes sovielte Bild zurückhalten und messen, wie gut es getroffen wird; 0 nutzt alle"
    ),
    "Last share of the denoising that goes over the finished panorama once more; 0 leaves it out": (
        "Letzter Anteil des Entrauschens, der noch einmal über das fertige Panorama geht; 0 lässt ihn weg"
    ),
    "Picture (2:1) that is white where your own panorama is to be completed as well: a person": (
        "Bild (2:1), weiß, wo das eigene Panorama auch ergänzt werden soll: eine Person"
    ),
    "Pixels around the horizon": "Pixel rund um den Horizont",
    "Set pitch instead of leaving it to the program": "Die Neigung vorgeben, statt sie dem Programm zu überlassen",
    "The built-in models, or downloaded checkpoints for a GPU with that much memory": (
        "Die eingebauten Modelle, oder geladene Checkpoints für eine GPU mit so viel Speicher"
    ),
    "The picture to start from; without one the prompt or your own panorama is": (
        "Das Bild, von dem ausgegangen wird; ohne eines vom Prompt oder vom eigenen Panorama"
    ),
    "What completes pictures: a model's hub id or folder in place of the profile's, or builtin": (
        "Was Bilder ergänzt: Hub-Name oder Ordner eines Modells anstelle dessen im Profil, oder builtin"
    ),
    "What finds the sky: a model's hub id or folder in place of the profile's, or builtin": (
        "Was den Himmel findet: Hub-Name oder Ordner eines Modells anstelle dessen im Profil, oder builtin"
    ),
    "What makes pictures from words and refines the panorama: a model's hub id or folder in place of the profile's, or "
    "builtin": (
        "Was aus Worten Bilder macht und das Panorama verfeinert: Hub-Name oder Ordner eines Modells anstelle dessen "
        "im Profil, oder builtin"
    ),
    "What measures depth: a model's hub id or folder in place of the profile's, or builtin": (
        "Was Tiefe misst: Hub-Name oder Ordner eines Modells anstelle dessen im Profil, oder builtin"
    ),
    "What the world around the photograph is like, or all of it where there is no photograph": (
        "Wie die Welt um das Foto ist, oder die ganze, wo es kein Foto gibt"
    ),
    "What words the prompts: a model's hub id or folder in place of the profile's, or builtin": (
        "Was die Prompts formuliert: Hub-Name oder Ordner eines Modells anstelle dessen im Profil, oder builtin"
    ),
    "Where to compute": "Wo gerechnet wird",
    # tooltips: objects and rendering
    "How far around the viewpoint it reaches": "Wie weit es um den Standpunkt reicht",
    "Make a light mesh of this world's splats that catches shadows and may be stood on": (
        "Aus den Splats dieser Welt ein leichtes Mesh machen, das Schatten fängt und auf dem man stehen kann"
    ),
    "Most triangles that the mesh may have": "So viele Dreiecke darf das Mesh höchstens haben",
    "Objects of physics collide with it": "Objekte der Physik stoßen dagegen",
    "Add nodes to the compositor that lay splats in front of and behind what this scene's engine renders": (
        "Dem Compositor Knoten geben, die Splats vor und hinter das legen, was die Engine dieser Szene rendert"
    ),
    "Scene whose splats this one draws as layers": "Szene, deren Splats diese als Ebenen zeichnet",
    "A world of Gaussian splats": "Eine Welt aus Gaussian Splats",
    "As they are rendered, sorted and blended, in every shading mode": (
        "Wie sie gerendert werden, sortiert und gemischt, in jedem Anzeigemodus"
    ),
    "Blender's own objects are drawn by Cycles and stand among the splats": (
        "Blenders eigene Objekte zeichnet Cycles; sie stehen zwischen den Splats"
    ),
    "Blender's own objects are not drawn": "Blenders eigene Objekte werden nicht gezeichnet",
    "Blender's own point cloud; coloured in Material Preview": (
        "Blenders eigene Punktwolke; farbig in der Materialvorschau"
    ),
    "Coloured dots, in every shading mode; the fastest": "Farbige Punkte, in jedem Anzeigemodus; am schnellsten",
    "How Blender's own objects come into the frame": "Wie Blenders eigene Objekte ins Bild kommen",
    "How the splats are shown in the viewport; what is rendered stays the same": (
        "Wie die Splats im Viewport gezeigt werden; gerendert wird immer dasselbe"
    ),
    "How well pictures are met that were not fitted": "Wie gut Bilder getroffen werden, die nicht angepasst wurden",
    "Only the box around them": "Nur der Quader um sie",
    "Share of the splats that is drawn; fewer are faster": "Anteil der gezeichneten Splats; weniger sind schneller",
    "Size of the points, as a share of the splats' own": "Größe der Punkte, als Anteil der Größe der Splats",
    "Splats in front of and behind the objects as two passes for the compositor": (
        "Splats vor und hinter den Objekten als zwei Durchgänge für den Compositor"
    ),
    "Views that a frame with motion blur or depth of field is the mean of; each takes the time of one": (
        "Ansichten, deren Mittel ein Frame mit Bewegungs- oder Tiefenunschärfe ist; jede kostet die Zeit einer"
    ),
    "What made the world": "Was die Welt gemacht hat",
    # tooltips: worlds and the backend
    "Add a finished world to the scene: its splats, and a camera with a path": (
        "Eine fertige Welt in die Szene holen: ihre Splats und eine Kamera mit Pfad"
    ),
    "Ask the backend which models there are and which of them are downloaded": (
        "Das Backend fragen, welche Modelle es gibt und welche davon geladen sind"
    ),
    "Choose another file or folder in place of the one that did not do": (
        "Eine andere Datei oder einen anderen Ordner wählen als den, der nicht ging"
    ),
    "Compute on the GPU where there is one, else on the processor": (
        "Auf der GPU rechnen, wo es eine gibt, sonst auf dem Prozessor"
    ),
    "Download what is missing. It goes on where it stopped, and Blender stays usable meanwhile": (
        "Laden, was fehlt. Es geht weiter, wo es aufgehört hat, und Blender bleibt derweil benutzbar"
    ),
    "End the backend and free its memory. A running job stops and can be retried later": (
        "Das Backend beenden und seinen Speicher freigeben. Ein laufender Auftrag hält an und kann später weitergehen"
    ),
    "End the backend if it is there and start it anew; finished work is kept": (
        "Das Backend beenden, wenn es da ist, und neu starten; Fertiges bleibt"
    ),
    "Every computer; with the built-in models": "Jeder Rechner; mit den eingebauten Modellen",
    "Fit splats to a folder of pictures whose cameras are known. Blender stays usable meanwhile": (
        "Splats an einen Ordner von Bildern anpassen, deren Kameras bekannt sind. Blender bleibt derweil benutzbar"
    ),
    "Folder with a world.json": "Ordner mit einer world.json",
    "Kind of job that it is a parameter of": "Art des Auftrags, zu dem der Parameter gehört",
    "Make a world of splats from the photograph, the prompt or the panorama. Blender stays usable meanwhile": (
        "Aus Foto, Prompt oder Panorama eine Welt aus Splats machen. Blender bleibt derweil benutzbar"
    ),
    "Make the backend's own Python environment and download its packages: 0.5 GB, or about 3 GB for an NVIDIA GPU": (
        "Die eigene Python-Umgebung des Backends anlegen und seine Pakete laden: 0,5 GB, oder etwa 3 GB für eine "
        "NVIDIA-GPU"
    ),
    "Make the world with this seed": "Die Welt mit dieser Startzahl machen",
    "Make worlds with other models": "Welten mit anderen Modellen machen",
    "Number of the job in the backend. Empty: the last": "Nummer des Auftrags im Backend. Leer: der letzte",
    "One of the seeds shown": "Eine der gezeigten Startzahlen",
    "Parameter that takes the path": "Parameter, der den Pfad aufnimmt",
    "A profile or a checkpoint. Empty: the profile of the preferences": (
        "Ein Profil oder ein Checkpoint. Leer: das Profil der Einstellungen"
    ),
    "Put the world's collection into the asset browser, with its last shot or its panorama as the picture": (
        "Die Sammlung der Welt in den Asset-Browser stellen, mit ihrem letzten Shot oder ihrem Panorama als Bild"
    ),
    "Queue the job again; it goes on from its last finished stage": (
        "Den Auftrag wieder einreihen; er geht ab dem letzten fertigen Abschnitt weiter"
    ),
    "Show what a few seeds would put around the photograph, to choose one before making the world": (
        "Zeigen, was einige Startzahlen um das Foto legen würden, um vor dem Machen der Welt eine zu wählen"
    ),
    "Start the backend, or connect to it, as the preferences say": (
        "Das Backend starten oder sich mit ihm verbinden, wie die Einstellungen sagen"
    ),
    "Stop the installation; an older backend stays as it was": (
        "Die Installation anhalten; ein älteres Backend bleibt, wie es war"
    ),
    "Stop the job. What is finished of it is kept; Retry goes on from there": (
        "Den Auftrag anhalten. Was davon fertig ist, bleibt; Nochmals geht dort weiter"
    ),
    "They need no download and no GPU": "Sie brauchen kein Laden und keine GPU",
    "Those for the next smaller GPU, at last the built-in ones": (
        "Die für die nächstkleinere GPU, zuletzt die eingebauten"
    ),
    "What is chosen": "Was gewählt ist",
    "What the backend is to compute on": "Worauf das Backend rechnen soll",
    "What the preferences say": "Was die Einstellungen sagen",
    "Which models take the place of the present ones": "Welche Modelle an die Stelle der jetzigen treten",
    "With CUDA and what checkpoints need": "Mit CUDA und dem, was Checkpoints brauchen",
    # tooltips: cameras and shots
    "0 levels the path again": "0 legt den Pfad wieder gerade",
    "Above the ground": "Über dem Boden",
    "Add a camera on an editable circle: round the active object or the 3D cursor, or round the world's viewpoint": (
        "Eine Kamera auf einem bearbeitbaren Kreis: um das aktive Objekt, den 3D-Cursor oder den Standpunkt der Welt"
    ),
    "Add a camera that flies through the views, or the selected ones, in the order of their names": (
        "Eine Kamera, die durch die Ansichten fliegt, oder durch die gewählten, in der Reihenfolge ihrer Namen"
    ),
    "Add a camera that glides through the walking room of the world on an editable curve": (
        "Eine Kamera, die auf einer bearbeitbaren Kurve durch den Bewegungsraum der Welt gleitet"
    ),
    "Add a camera that moves in a straight line from what the 3D view shows, or from the scene's camera": (
        "Eine Kamera, die von dem, was die 3D-Ansicht zeigt, oder von der Kamera der Szene aus geradeaus fährt"
    ),
    "Add a camera that walks along the active curve at eye height above the ground of the world": (
        "Eine Kamera, die auf Augenhöhe über dem Boden der Welt die aktive Kurve entlanggeht"
    ),
    "Along its own direction; back with a distance below zero": "In ihrer Blickrichtung; zurück bei Strecke unter null",
    "Also write an MP4 beside the frames": "Neben den Frames auch eine MP4 schreiben",
    "An empty that can be moved": "Ein Empty, das man bewegen kann",
    "Away from the centre": "Vom Mittelpunkt weg",
    "Bend the path away from what stands in its way, as far as the splats of the world tell": (
        "Den Pfad von dem wegbiegen, was im Weg steht, soweit die Splats der Welt es zeigen"
    ),
    "Export the scene's camera, frame by frame, with exact intrinsics, for other programs": (
        "Die Kamera der Szene Frame für Frame mit exakten inneren Parametern für andere Programme exportieren"
    ),
    "Filepath used for exporting the file": "Pfad der Datei, die exportiert wird",
    "Go back to the first view": "Zur ersten Ansicht zurückkehren",
    "Horizontal field of view of the camera": "Waagrechter Bildwinkel der Kamera",
    "How far the camera goes": "Wie weit die Kamera fährt",
    "How far the camera leans into bends": "Wie weit sich die Kamera in Kurven legt",
    "How far the path leaves the viewpoint, as a share of half the walking room": (
        "Wie weit der Pfad den Standpunkt verlässt, als Anteil des halben Bewegungsraums"
    ),
    "Import a camera path (nerfstudio, Skyfall-GS, COLMAP, SuperSplat) as an animated camera with exact intrinsics": (
        "Einen Kamerapfad (nerfstudio, Skyfall-GS, COLMAP, SuperSplat) als animierte Kamera mit exakten inneren "
        "Parametern importieren"
    ),
    "Keep what the 3D view shows as a view to fly through; views can be moved and looked through like any camera": (
        "Merken, was die 3D-Ansicht zeigt, um hindurchzufliegen; Ansichten sind Kameras wie andere"
    ),
    "Lean the camera into the bends of the path, as a bird or an aeroplane does; for cameras that look along it": (
        "Die Kamera in die Kurven des Pfads legen, wie ein Vogel oder Flugzeug; für Kameras, die an ihm entlangblicken"
    ),
    "Least distance from anything solid": "Kleinster Abstand von allem Festen",
    "Length of the shot": "Länge des Shots",
    "Let the scene's camera look at a new empty, which can be moved and animated; it stands at the 3D cursor": (
        "Die Kamera der Szene auf ein neues Empty blicken lassen, das man bewegen kann; es steht am 3D-Cursor"
    ),
    "Look through the scene's camera and play the shot in the viewport; press again to stop": (
        "Durch die Kamera der Szene blicken und den Shot im Viewport abspielen; nochmals drücken hält an"
    ),
    "Name of the shot's folder. Empty: the camera's name": "Name des Ordners. Leer: der Name der Kamera",
    "Off: even speed all the way": "Aus: durchweg gleiche Geschwindigkeit",
    "Off: even speed all the way, so that the film may loop": (
        "Aus: durchweg gleiche Geschwindigkeit, sodass sich der Film wiederholen lässt"
    ),
    "Radius of the circle; 0 fits it to the walking room or the object": (
        "Radius des Kreises; 0 passt ihn dem Bewegungsraum oder dem Objekt an"
    ),
    "Render the animation as PNG frames and a film into the world's folder of shots": (
        "Die Animation als PNG-Frames und Film in den Shot-Ordner der Welt rendern"
    ),
    "Render with SkyWorld; off, or with compositing set up: with the scene's": (
        "Mit SkyWorld rendern; aus, oder mit eingerichtetem Compositing: mit der Engine der Szene"
    ),
    "Round the 3D cursor, looking at it": "Um den 3D-Cursor, den Blick darauf",
    "Round the active object, looking at it": "Um das aktive Objekt, den Blick darauf",
    "The camera looks at an empty that can be moved and animated; off: along the curve": (
        "Die Kamera blickt auf ein Empty, das man bewegen und animieren kann; aus: die Kurve entlang"
    ),
    "The same with what the camera looks at: its target, or the 3D cursor": (
        "Dasselbe mit dem, was die Kamera ansieht: ihrem Ziel oder dem 3D-Cursor"
    ),
    "To its right; left with a distance below zero": "Nach rechts; nach links bei Strecke unter null",
    "Up, looking at the same thing; down with a distance below zero": (
        "Nach oben, den Blick auf dasselbe; nach unten bei Strecke unter null"
    ),
    "What the circle lies about": "Worum der Kreis liegt",
    "Where the camera looks": "Wohin die Kamera blickt",
    "Where the shot's folder goes. Empty: shots/ of the world": "Wohin der Ordner kommt. Leer: shots/ der Welt",
    "Which program the cameras are for": "Für welches Programm die Kameras sind",
    "Which way the camera goes": "In welche Richtung die Kamera fährt",
    "Within the walking room, looking at what stands ahead: nothing hidden is shown": (
        "Im Bewegungsraum, den Blick auf das, was vorn steht: Verborgenes zeigt sich nicht"
    ),
    "Write the path of the scene's camera as keyframes on a copy of it, frame by frame; the editable one stays": (
        "Den Pfad der Kamera der Szene Frame für Frame als Keyframes einer Kopie schreiben; die bearbeitbare bleibt"
    ),
    "Zoom the scene's camera over the shot, from its present field of view to another": (
        "Die Kamera der Szene über den Shot hin von ihrem Bildwinkel zu einem anderen zoomen"
    ),
    "camera_path.json, which SkyWorld reads too": "camera_path.json, die auch SkyWorld liest",
    "cameras.json, as trainers of 3D Gaussian splatting write it, too": (
        "cameras.json, wie auch Trainer des 3D Gaussian Splatting sie schreiben"
    ),
    "images.txt and cameras.txt in the folder, for many programs": (
        "images.txt und cameras.txt im Ordner, für viele Programme"
    ),
    # tooltips: splats
    "A .glb with KHR_gaussian_splatting, for glTF's programs. Needs the backend": (
        "Eine .glb mit KHR_gaussian_splatting, für Programme mit glTF. Braucht das Backend"
    ),
    "A ball or an ellipsoid": "Eine Kugel oder ein Ellipsoid",
    "A box": "Ein Quader",
    "A quarter of the size, for SuperSplat and PlayCanvas. Needs the backend": (
        "Ein Viertel der Größe, für SuperSplat und PlayCanvas. Braucht das Backend"
    ),
    "A seventh of the size, with harmonics in 5 bits, for Scaniverse and Niantic. Needs the backend": (
        "Ein Siebtel der Größe, mit Kugelflächenfunktionen in 5 Bit, für Scaniverse und Niantic. Braucht das Backend"
    ),
    "All that there is, in float32; every program reads it. Needs no backend": (
        "Alles, was da ist, in float32; jedes Programm liest es. Braucht kein Backend"
    ),
    "Bake where the objects stand into their splats: places, rotations, scales and harmonics, uneven scales too": (
        "Einbacken, wie die Objekte stehen: Orte, Drehungen, Größen und Kugelflächenfunktionen, auch ungleiche Skalen"
    ),
    "Crop the selected splat objects by a box or ball that can be moved, turned and scaled; nothing is deleted yet": (
        "Die gewählten Splat-Objekte mit Quader oder Kugel zuschneiden, die man bewegen, drehen und skalieren kann; "
        "gelöscht wird noch nichts"
    ),
    "Delete the selected splats, or all others": "Die gewählten Splats löschen, oder alle anderen",
    "Delete the splats that are cropped away": "Die weggeschnittenen Splats löschen",
    "Deselect all": "Alle abwählen",
    "Deselect these": "Diese abwählen",
    "Draw around splats to select them, however deep they lie. Shift extends, Ctrl takes away": (
        "Splats umfahren, um sie zu wählen, wie tief sie auch liegen. Umschalt erweitert, Strg zieht ab"
    ),
    "Export the selected splat objects as one file, where and how they stand in the scene, cropped as they are": (
        "Die gewählten Splat-Objekte als eine Datei exportieren, wo und wie sie in der Szene stehen, so zugeschnitten"
    ),
    "Hide the selected splats (or the others) in the viewport; renders and exports contain them": (
        "Die gewählten Splats (oder die anderen) im Viewport verbergen; gerendert und exportiert werden sie"
    ),
    "Hide what is not selected": "Verbergen, was nicht gewählt ist",
    "Join the selected splat objects into the active one, where and how they stand": (
        "Die gewählten Splat-Objekte mit dem aktiven vereinen, wo und wie sie stehen"
    ),
    "Keep only the selected ones": "Nur die gewählten behalten",
    "Keep what lies outside": "Behalten, was außen liegt",
    "Keep what the crop volumes left out, and the other way round": (
        "Behalten, was die Volumen ausließen, und umgekehrt"
    ),
    "Largest difference in any channel": "Größter Unterschied in einem Kanal",
    "Leave out splats that are not selected": "Splats weglassen, die nicht gewählt sind",
    "Make coloured points of the selected splats: for tools that know points only, and for measuring": (
        "Aus den gewählten Splats farbige Punkte machen: für Werkzeuge, die nur Punkte kennen, und zum Messen"
    ),
    "Make round splats of the selected point clouds and meshes: in their colours, as wide as the points stand apart": (
        "Aus den gewählten Punktwolken und Meshes runde Splats machen: in ihren Farben, so breit, wie die Punkte "
        "auseinanderstehen"
    ),
    "Move the selected splats to an object of their own": "Die gewählten Splats in ein eigenes Objekt verschieben",
    "Of a splat that becomes a point": "Eines Splats, der ein Punkt wird",
    "Of a splat, in distances to its neighbours": "Eines Splats, in Abständen zu seinen Nachbarn",
    "Of each splat": "Jedes Splats",
    "Of the brush, on the screen": "Des Pinsels, auf dem Bildschirm",
    "Of the splats along each axis, that the volume holds at first": (
        "Der Splats entlang jeder Achse, die das Volumen anfangs umfasst"
    ),
    "Of the volume": "Des Volumens",
    "Paint over splats to select them: a sphere that rolls over what is seen. Shift extends, Ctrl takes away": (
        "Über Splats malen, um sie zu wählen: eine Kugel, die über Sichtbares rollt. Umschalt erweitert, Strg zieht ab"
    ),
    "Seen from no direction in particular": "Aus keiner bestimmten Richtung gesehen",
    "Select all that are shown": "Alle gezeigten wählen",
    "Select splats by opacity, size, colour, or those that float alone": (
        "Splats nach Deckkraft, Größe oder Farbe wählen, oder die, die allein schweben"
    ),
    "Select the splat object under the mouse, where no other object is": (
        "Das Splat-Objekt unter der Maus wählen, wo kein anderes Objekt ist"
    ),
    "Select the splats inside the other selected objects' boxes: empties (box or sphere) and meshes": (
        "Die Splats in den Hüllen der anderen gewählten Objekte wählen: Empties (Quader oder Kugel) und Meshes"
    ),
    "Select these and nothing else": "Diese wählen und sonst nichts",
    "Select these as well": "Diese auch wählen",
    "Select what is not selected": "Wählen, was nicht gewählt ist",
    "Select, deselect or invert the splats of the selected objects": (
        "Die Splats der gewählten Objekte wählen, abwählen oder umkehren"
    ),
    "Show all hidden splats again and select them": "Alle verborgenen Splats wieder zeigen und wählen",
    "Standard deviation along the longest axis, in the world": "Standardabweichung an der längsten Achse, in der Welt",
    "Standard deviations above the mean from which on a splat counts as floating; fewer select more": (
        "Standardabweichungen über dem Mittel, ab denen ein Splat als schwebend gilt; weniger wählen mehr"
    ),
    "Take the crop volumes away; all splats are there again": "Die Volumen wegnehmen; alle Splats sind wieder da",
    "The smallest, for the web; takes longest to write. Needs the backend": (
        "Am kleinsten, fürs Web; das Schreiben dauert am längsten. Braucht das Backend"
    ),
    "Those that are no more opaque than this": "Die, die nicht stärker decken als so",
    "Those that lie far from their neighbours for their size": "Die, die für ihre Größe weit von ihren Nachbarn liegen",
    "Those that look like this colour": "Die, die so aussehen wie diese Farbe",
    "Those whose longest axis is at least this": "Die, deren längste Achse mindestens so lang ist",
    "What becomes of the selection so far": "Was aus der bisherigen Auswahl wird",
    "What becomes selected": "Was gewählt wird",
    "What splats are judged by": "Wonach Splats beurteilt werden",
    "Which programs the file is for": "Für welche Programme die Datei ist",
    "With ParticleField3DGaussianSplat, for Houdini, Omniverse, Nuke. Needs the backend and usd-core": (
        "Mit ParticleField3DGaussianSplat, für Houdini, Omniverse, Nuke. Braucht das Backend und usd-core"
    ),
    "Without harmonics, for old viewers. Needs the backend": (
        "Ohne Kugelflächenfunktionen, für alte Betrachter. Braucht das Backend"
    ),
    "Write the splats where they stand in the scene; off: in the object's own space": (
        "Die Splats schreiben, wo sie in der Szene stehen; aus: im Raum des Objekts"
    ),
    # a city as files
    "Add Mesh": "Mesh hinzufügen",
    "As Models says": "Wie unter Modelle",
    "Blender's glTF importer is off: switch it on in Preferences > Add-ons": (
        "Blenders glTF-Import ist aus: in Einstellungen > Add-ons einschalten"
    ),
    "Cell": "Zelle",
    "City as Mesh": "Stadt als Mesh",
    "City of Satellite Images (.glb, .tif, .png)": "Stadt aus Satellitenbildern (.glb, .tif, .png)",
    "Content": "Inhalt",
    "Distance between two heights, pixels, or vertices of the mesh; 0: as the city's own height map": (
        "Abstand zweier Höhen, Bildpunkte oder Punkte des Meshes; 0: wie die Höhenkarte der Stadt"
    ),
    "Export City": "Stadt exportieren",
    "GeoTIFF in the local UTM zone (.tif), or NumPy's arrays (.npz)": (
        "GeoTIFF in der örtlichen UTM-Zone (.tif) oder NumPys Felder (.npz)"
    ),
    "Heights": "Höhen",
    "It is generated": "Wird erzeugt",
    "It is measured": "Wird gemessen",
    "Make a textured mesh of the city and put it where its splats stand, for Blender's lights and modifiers": (
        "Aus der Stadt ein Mesh mit Textur machen und es an die Stelle ihrer Splats setzen, für Blenders Licht und "
        "Modifikatoren"
    ),
    "Measured in the images": "In den Bildern gemessen",
    "Mesh": "Mesh",
    "One is started here": "Hier wird einer gestartet",
    "Ortho": "Ortho",
    "The first image": "Das erste Bild",
    "The mesh takes the splats' place; they stay in the file": (
        "Das Mesh nimmt den Platz der Splats ein; sie bleiben in der Datei"
    ),
    "The picture from straight above, north at its top (.png, .jpg)": (
        "Das Bild von genau oben, Norden an seinem oberen Rand (.png, .jpg)"
    ),
    "The published words": "Die veröffentlichten Worte",
    "Triangles under the city's own picture, with its place on the Earth (.glb)": (
        "Dreiecke unter dem Bild der Stadt selbst, mit ihrem Ort auf der Erde (.glb)"
    ),
    "What of the city is written": "Was von der Stadt geschrieben wird",
    "Write the city as a file for maps or other programs: a height map, its picture from above, or a textured mesh": (
        "Die Stadt als Datei für Karten oder andere Programme schreiben: eine Höhenkarte, ihr Bild von oben oder ein "
        "Mesh mit Textur"
    ),
    # cities from satellite images
    "Add Images": "Bilder wählen",
    "Add satellite images (GeoTIFF with RPC) to the list; several at once": (
        "Satellitenbilder (GeoTIFF mit RPC) in die Liste aufnehmen; auch mehrere auf einmal"
    ),
    "Add satellite images first": "Zuerst Satellitenbilder hinzufügen",
    "Another number, other edits": "Eine andere Zahl, andere Bearbeitungen",
    "An editor imagines what the images do not show, a restorer only mends renders; auto takes an "
    "editor where the profile has one": (
        "Ein Editor erdenkt, was die Bilder nicht zeigen, ein Restaurator bessert Renderings nur aus; "
        "automatisch nimmt einen Editor, wo das Profil einen hat"
    ),
    "Area": "Gebiet",
    "Area in Degrees": "Gebiet in Grad",
    "Automatic": "Automatisch",
    "Block": "Block",
    "Choose Scene Folder": "Szenenordner wählen",
    "City": "Stadt",
    "Cluster Address": "Adresse des Clusters",
    "Curriculum": "Lehrplan",
    "Distortion Field": "Verzerrungsfeld",
    "East": "Ost",
    "Edit Steps": "Bearbeitungsschritte",
    "Edited Steps": "Bearbeitete Schritte",
    "Editor": "Editor",
    "Elevation": "Höhenwinkel",
    "Executor": "Ausführung",
    "Folder of the scene": "Ordner der Szene",
    "Free Steps": "Freie Schritte",
    "Generate City": "Stadt erzeugen",
    "GeoTIFF of heights that belongs to one ortho photo": "GeoTIFF der Höhen, der zu einem Orthofoto gehört",
    "Go on refining the city that is in the scene, from lower and lower, with the settings above": (
        "Die Stadt in der Szene weiter verfeinern, von immer tiefer, mit den Einstellungen oben"
    ),
    "Height Map": "Höhenkarte",
    "How far above the level of the centre the camera stands; 17 degrees over a city if left alone": (
        "Wie hoch über der Mitte die Kamera steht; über einer Stadt 17 Grad, wenn nichts gesagt ist"
    ),
    "How long to fit: preview in minutes on a CPU, full on a GPU": (
        "Wie lange angepasst wird: preview in Minuten auf einer CPU, full auf einer GPU"
    ),
    "How many workers of a Ray cluster to use; 0 for as many as it has GPUs": (
        "Wie viele Arbeiter eines Ray-Clusters; 0 für so viele, wie er GPUs hat"
    ),
    "Images": "Bilder",
    "Images to fit to, in place of the quality's number; 0 keeps that": (
        "Bilder, an die angepasst wird, statt der Zahl der Qualität; 0 behält diese"
    ),
    "Index": "Index",
    "It is not known yet what all images show": "Noch ist nicht bekannt, was alle Bilder zeigen",
    "Let each edited view bend a little while fitting, and edit each once only: half the edits": (
        "Jede bearbeitete Ansicht darf sich beim Anpassen etwas biegen und wird nur einmal bearbeitet: "
        "halb so viele Bearbeitungen"
    ),
    "Light of": "Licht von",
    "Make a city of splats of the satellite images: cameras, heights, Gaussians, views from low": (
        "Aus den Satellitenbildern eine Stadt aus Splats machen: Kameras, Höhen, Gaußglocken, Ansichten von tief"
    ),
    "Name or date (2024-05) of the image whose light the city shall have; empty: the first one": (
        "Name oder Datum (2024-05) des Bildes, dessen Licht die Stadt haben soll; leer: das erste"
    ),
    "No image was chosen": "Es wurde kein Bild gewählt",
    "North": "Nord",
    "Of a Ray cluster that runs, such as auto or ray://host:10001; one is started here if left out": (
        "Eines Ray-Clusters, der läuft, etwa auto oder ray://host:10001; sonst wird hier einer gestartet"
    ),
    "Of the editor's whole way from noise to picture": "Des ganzen Wegs des Editors vom Rauschen zum Bild",
    "Percent of the sides of what all images show": "Prozent der Seiten dessen, was alle Bilder zeigen",
    "Place in the list": "Platz in der Liste",
    "Press Show Area first": "Zuerst auf Gebiet zeigen drücken",
    "Ray Cluster": "Ray-Cluster",
    "Refine Further": "Weiter verfeinern",
    "Remove Image": "Bild entfernen",
    "Remove it from the list, or add it again": "Von der Liste nehmen oder neu hinzufügen",
    "Repainted by": "Übermalt von",
    "Restorer": "Restaurator",
    "Satellite": "Satellit",
    "Satellite images with RPC (GeoTIFF), at least two; or one folder, a Skyfall-GS data set or a "
    "COLMAP model; or one ortho photo with a height map": (
        "Satellitenbilder mit RPC (GeoTIFF), mindestens zwei; oder ein Ordner, ein Datensatz von Skyfall-"
        "GS oder ein COLMAP-Modell; oder ein Orthofoto mit einer Höhenkarte"
    ),
    "Scene Folder": "Szenenordner",
    "Select some, or take the whole folder of a scene": "Einige auswählen, oder den ganzen Ordner einer Szene nehmen",
    "Set Area": "Gebiet setzen",
    "Set area instead of leaving it to the program": "Gebiet setzen, statt es dem Programm zu überlassen",
    "Show Area": "Gebiet zeigen",
    "Show from above where the images lie on the ground, and the area that is taken": (
        "Von oben zeigen, wo die Bilder auf dem Boden liegen und welches Gebiet genommen wird"
    ),
    "Side of the blocks that a large area is cut into, in metres; 0 does all at once": (
        "Seite der Blöcke, in die ein großes Gebiet geschnitten wird, in Metern; 0 macht alles auf einmal"
    ),
    "Source Prompt": "Ausgangsprompt",
    "South": "Süd",
    "Steps": "Schritte",
    "Take a square block in the middle of what all images show": "Die Mitte dessen nehmen, was alle Bilder zeigen",
    "Take an image off the list; its file stays": "Ein Bild von der Liste nehmen; seine Datei bleibt",
    "Take the Middle": "Die Mitte nehmen",
    "Take the folder of a scene in place of images: prepared before, of Skyfall-GS's layout, or a COLMAP model": (
        "Statt Bildern den Ordner einer Szene nehmen: schon vorbereitet, in der Ordnung von Skyfall-GS, "
        "oder ein COLMAP-Modell"
    ),
    "Target Prompt": "Zielprompt",
    "The last so many of these follow the target prompt alone": "So viele letzte davon folgen dem Zielprompt allein",
    "The last so many steps are gone through: more changes more": (
        "So viele letzte Schritte werden durchlaufen: mehr ändert mehr"
    ),
    "There is no city of satellite images in the scene": "In der Szene ist keine Stadt aus Satellitenbildern",
    "This Computer": "Dieser Rechner",
    "West": "West",
    "What edits views: a model's hub id or folder in place of the profile's, or builtin": (
        "Was Ansichten bearbeitet: Hub-Name oder Ordner eines Modells statt dessen des Profils, oder builtin"
    ),
    "What mends views: a model's hub id or folder in place of the profile's, or builtin": (
        "Was Ansichten ausbessert: Hub-Name oder Ordner eines Modells statt dessen des Profils, oder builtin"
    ),
    "What renders look like before they are edited; the published words if left out": (
        "Wie Renderings aussehen, bevor sie bearbeitet werden; sonst die veröffentlichten Worte"
    ),
    "What the city should look like; the published words if left out": (
        "Wie die Stadt aussehen soll; sonst die veröffentlichten Worte"
    ),
    "What to take, in degrees; left out: what all images show": (
        "Was genommen wird, in Grad; sonst, was alle Bilder zeigen"
    ),
    "Where the images lie": "Wo die Bilder liegen",
    "Where blocks are fitted and views repainted: here, or on a Ray cluster, a worker for each GPU": (
        "Wo Blöcke angepasst und Ansichten übermalt werden: hier, oder auf einem Ray-Cluster, ein Arbeiter je GPU"
    ),
    "Whether the world was made of satellite images": "Ob die Welt aus Satellitenbildern gemacht ist",
    "Which views are imagined, from above downwards: preview (for CPUs), low, jax_v1, nyc_v1 (as "
    "published, scaled to the area), or a JSON file": (
        "Welche Ansichten erdacht werden, von oben nach unten: preview (für CPUs), low, jax_v1, nyc_v1 "
        "(wie veröffentlicht, auf das Gebiet gebracht), oder eine JSON-Datei"
    ),
    "there is no such image": "ein solches Bild gibt es nicht",
}
