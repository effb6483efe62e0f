# question.sh: one command of the user's, by itself. Given: what ask.sh was.

said() { tell end "done"; }

beside answer said
read -r _
end hung up
