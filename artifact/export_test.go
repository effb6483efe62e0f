package artifact

// For tests outside the package.
var (
	CompareVersions = compareVersions
	Inspect         = inspect
)
