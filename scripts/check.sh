# check.sh: a look at the host, and nothing else.

probe_platform
probe_place
probe_installed
end "done"
